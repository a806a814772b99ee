//! An engine for tests, which answers with what a test gives it.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::Engine;

/// Answer of the engine to one request.
#[derive(Clone)]
pub(crate) enum Answer {
    Json(Value),
    /// A status, and a body that may be no message.
    Raw(u16, &'static str),
    /// Nothing, ever.
    Silence,
}

/// An engine that answers with what a test gives it, and records the paths that it was asked for.
pub(crate) struct Fake {
    pub(crate) engine: Engine,
    asked: Arc<Mutex<Vec<String>>>,
    pub(crate) folder: tempfile::TempDir,
}

impl Fake {
    pub(crate) fn answering(answers: Vec<(String, Answer)>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("engine");
        let listener = UnixListener::bind(&socket).expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answers, asking) = (Arc::new(answers), asked.clone());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, answers.clone(), asking.clone()));
            }
        });
        Self { engine: Engine::new(&format!("unix://{}", socket.display())), asked, folder }
    }

    /// Returns what was asked since the last call, in order of the text.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().expect("no panic"));
        asked.sort();
        asked
    }
}

/// Answers one request, and closes the connection.
async fn answer(mut connection: UnixStream, answers: Arc<Vec<(String, Answer)>>, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("text");
    let path = head.split(' ').nth(1).and_then(|path| path.split('?').next()).unwrap_or_default().to_owned();
    let found = answers.iter().find(|(known, _)| *known == path).map(|(_, answer)| answer.clone());
    asked.lock().expect("no panic").push(path);
    let (status, body) = match found {
        Some(Answer::Json(value)) => (200, value.to_string()),
        Some(Answer::Raw(status, body)) => (status, body.to_owned()),
        Some(Answer::Silence) => return std::future::pending().await,
        None => (404, json!({"message": "no such object"}).to_string()),
    };
    let head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // The client may have given up.
    drop(connection.write_all(format!("{head}{body}").as_bytes()).await);
}
