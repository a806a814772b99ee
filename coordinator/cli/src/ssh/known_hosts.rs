//! Decides what a file in the format of `known_hosts` says about one host, as OpenSSH's `hostfile.c` reads it: names with
//! patterns and negations, hashed names, markers, and any blanks between the parts. A line that cannot be read is named
//! with its number and stands in the way of no other.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::PublicKey;

use super::patterns;

/// A key in the file, and the number of its line, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub line: usize,
    pub key: PublicKey,
}

/// A line that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub line: usize,
    pub why: &'static str,
}

/// What the file says about one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The host's keys.
    pub keys: Vec<Known>,
    /// Keys marked `@cert-authority` for this host.
    pub authorities: Vec<usize>,
    /// Keys marked `@revoked`, for whatever host: no host should hold them.
    pub revoked: Vec<Known>,
    /// Lines that might be about this host.
    pub broken: Vec<Broken>,
}

enum Marker {
    None,
    Authority,
    Revoked,
}

/// Reads the text for the host with this name, written as `known_hosts` writes it: `name`, or `[name]:port`.
pub fn read(text: &str, name: &str) -> Findings {
    let mut findings = Findings::default();
    for (index, text) in text.lines().enumerate() {
        let line = index + 1;
        match read_line(text, name) {
            Ok(None) => {}
            Ok(Some((Marker::None, key))) => findings.keys.push(Known { line, key }),
            Ok(Some((Marker::Authority, _))) => findings.authorities.push(line),
            Ok(Some((Marker::Revoked, key))) => findings.revoked.push(Known { line, key }),
            Err(why) => findings.broken.push(Broken { line, why }),
        }
    }
    findings
}

/// The key, if the line is about the host.
fn read_line(text: &str, name: &str) -> Result<Option<(Marker, PublicKey)>, &'static str> {
    let text = text.trim_matches(is_blank);
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (marker, rest) = split_marker(text)?;
    let (hosts, rest) = split_word(rest);
    let about_it = matches!(marker, Marker::Revoked) || is_about(hosts, name)?;
    if rest.is_empty() {
        return Err("it has no key");
    }
    if !about_it {
        return Ok(None);
    }
    let (kind, rest) = split_word(rest);
    let (encoded, _comment) = split_word(rest);
    if encoded.is_empty() {
        return Err("it is cut short before the key");
    }
    match PublicKey::from_openssh(&format!("{kind} {encoded}")) {
        Ok(key) => Ok(Some((marker, key))),
        Err(_) => Err("its key cannot be read"),
    }
}

fn split_marker(text: &str) -> Result<(Marker, &str), &'static str> {
    if !text.starts_with('@') {
        return Ok((Marker::None, text));
    }
    match split_word(text) {
        ("@cert-authority", rest) => Ok((Marker::Authority, rest)),
        ("@revoked", rest) => Ok((Marker::Revoked, rest)),
        _ => Err("its marker is neither @cert-authority nor @revoked"),
    }
}

/// The first word, and what follows it and its blanks.
fn split_word(text: &str) -> (&str, &str) {
    text.split_once(is_blank).map_or((text, ""), |(word, rest)| (word, rest.trim_start_matches(is_blank)))
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r')
}

/// Whether the line's names include this one.
fn is_about(hosts: &str, name: &str) -> Result<bool, &'static str> {
    match hosts.strip_prefix("|1|") {
        None if hosts.starts_with('|') => Err("its name is hashed in an unknown way"),
        None => Ok(patterns::list_matches(name, hosts)),
        Some(hashed) => is_hash_of(hashed, name).ok_or("its hashed name cannot be read"),
    }
}

/// `salt|hash`, both in base64: the hash is HMAC-SHA1 of the name under the salt.
fn is_hash_of(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    Some(hmac::sign(&key, name.to_lowercase().as_bytes()).as_ref() == hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOwk9QmtC3Z4gMYZA2XpqUEkevrjswzUuyromOoHX6Fo";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAB8TyjYp04VooBOWiblN4AX6lJj6PLupx5iaEcUwJeL";

    /// The numbers of the lines with a key of the host, and of the broken ones.
    fn lines(text: &str, name: &str) -> (Vec<usize>, Vec<usize>) {
        let findings = read(text, name);
        let keys = findings.keys.iter().map(|known| known.line).collect();
        (keys, findings.broken.iter().map(|broken| broken.line).collect())
    }

    #[test]
    fn names_are_matched_as_ssh_matches_them() {
        for (hosts, name, expected) in [
            ("10.77.0.11", "10.77.0.11", true),
            ("10.77.0.1", "10.77.0.11", false),
            ("10.77.0.*", "10.77.0.11", true),
            ("10.77.0.?", "10.77.0.11", false),
            ("*,!10.77.0.12", "10.77.0.11", true),
            ("*,!10.77.0.12", "10.77.0.12", false),
            ("!10.77.0.12,*", "10.77.0.12", false),
            ("box,10.77.0.11", "10.77.0.11", true),
            ("Box.Example", "box.example", true),
            ("[10.77.0.11]:2222", "[10.77.0.11]:2222", true),
            ("[10.77.0.11]:2222", "10.77.0.11", false),
            ("10.77.0.11", "[10.77.0.11]:2222", false),
            ("[10.77.0.*]:*", "[10.77.0.11]:2222", true),
            ("fe80::1", "fe80::1", true),
        ] {
            let found = lines(&format!("{hosts} {KEY}"), name);
            assert_eq!(found, (if expected { vec![1] } else { vec![] }, vec![]), "{hosts} {name}");
        }
    }

    #[test]
    fn blanks_comments_and_ends_of_lines_do_not_matter() {
        let tabs = KEY.replace(' ', "\t\t ");
        let text = format!(
            "# a comment\n\n   \n\tbox\t{tabs}\ta comment\n  box   {}   \r\nbox {KEY} # no end of line",
            KEY.replace(' ', "   ")
        );
        assert_eq!(lines(&text, "box"), (vec![4, 5, 6], vec![]));
    }

    #[test]
    fn hashed_names_match_the_whole_name() {
        let text = format!(
            "|1|{}|{} {KEY}\n|1|{}|{} {KEY}\n",
            STANDARD.encode([7; 20]),
            hash([7; 20], "192.168.2.201"),
            STANDARD.encode([9; 20]),
            hash([9; 20], "[192.168.2.201]:2222"),
        );
        assert_eq!(lines(&text, "192.168.2.201"), (vec![1], vec![]));
        assert_eq!(lines(&text, "[192.168.2.201]:2222"), (vec![2], vec![]));
        assert_eq!(lines(&text, "192.168.2.202"), (vec![], vec![]));
    }

    fn hash(salt: [u8; 20], name: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
        STANDARD.encode(hmac::sign(&key, name.as_bytes()))
    }

    #[test]
    fn a_broken_line_is_named_and_hides_no_good_one() {
        for (broken, why) in [
            ("box", "it has no key"),
            ("box ssh-ed25519", "it is cut short before the key"),
            ("box ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3a", "its key cannot be read"),
            (
                "box ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOwk9QmtC3Z4gMYZA2XpqUEkevrjswzUuyromOoHX6Fo",
                "its key cannot be read",
            ),
            ("@authority box ssh-ed25519 AAAA", "its marker is neither @cert-authority nor @revoked"),
            ("|1|nothing ssh-ed25519 AAAA", "its hashed name cannot be read"),
            ("|2|a|b ssh-ed25519 AAAA", "its name is hashed in an unknown way"),
        ] {
            let findings = read(&format!("{broken}\nbox {KEY}\n"), "box");
            assert_eq!(findings.broken, [Broken { line: 1, why }], "{broken}");
            assert_eq!(findings.keys.len(), 1, "{broken} hid the good line");
        }
        let elsewhere = read("other ssh-ed25519 AAAA\n", "box");
        assert_eq!(elsewhere, Findings::default(), "the key of another host is not looked at");
    }

    #[test]
    fn marked_lines_vouch_for_no_key() {
        let text = format!("@cert-authority *.example {KEY}\n@revoked other {OTHER}\n@revoked\tbox\t{KEY}\n");
        let findings = read(&text, "box.example");
        assert_eq!((findings.keys.len(), findings.authorities.as_slice()), (0, &[1][..]));
        assert_eq!(findings.revoked.iter().map(|known| known.line).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(read(&text, "elsewhere").authorities, [] as [usize; 0]);
    }

    /// Whatever is cut off or put in, nothing panics, and the line after it is read.
    #[test]
    fn any_line_is_read_or_named() {
        let text = format!("@revoked |1|c2FsdA==|aGFzaA==,!b*é\t{KEY} é");
        for (index, character) in text.char_indices() {
            for put in ["", "|", "@", " ", "\t", "é", "\0", "!", "*", ",", "["] {
                let changed = format!("{}{put}{}", &text[..index], &text[index + character.len_utf8()..]);
                for line in [changed, text[..index].to_owned() + put] {
                    let findings = read(&format!("{line}\nbox {OTHER}\n"), "box");
                    assert!(findings.keys.iter().any(|known| known.line == 2), "{line:?}");
                }
            }
        }
    }
}
