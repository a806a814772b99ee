//! Parses the entries for one host in a `known_hosts` file, like OpenSSH's `hostfile.c`: name patterns and negations,
//! hashed names, markers, and any blanks between the fields. An invalid line is reported with its number and does not
//! affect other lines.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::PublicKey;

use super::patterns;

/// A key in the file, with its line number, starting at 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    pub line: usize,
    pub key: PublicKey,
}

/// A line that cannot be parsed, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidLine {
    pub line: usize,
    pub reason: &'static str,
}

/// The entries for one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostEntries {
    /// Keys of the host.
    pub keys: Vec<KnownKey>,
    /// Lines that are marked `@cert-authority` for this host.
    pub authorities: Vec<usize>,
    /// Keys that are marked `@revoked` for any host: no host should use them.
    pub revoked: Vec<KnownKey>,
    /// Invalid lines that may concern this host.
    pub invalid: Vec<InvalidLine>,
}

enum Marker {
    None,
    Authority,
    Revoked,
}

/// Parses the entries for a host. `name` is in the notation of `known_hosts`: `name`, or `[name]:port`.
pub fn read(text: &str, name: &str) -> HostEntries {
    let mut entries = HostEntries::default();
    for (index, text) in text.lines().enumerate() {
        let line = index + 1;
        match read_line(text, name) {
            Ok(None) => {}
            Ok(Some((Marker::None, key))) => entries.keys.push(KnownKey { line, key }),
            Ok(Some((Marker::Authority, _))) => entries.authorities.push(line),
            Ok(Some((Marker::Revoked, key))) => entries.revoked.push(KnownKey { line, key }),
            Err(reason) => entries.invalid.push(InvalidLine { line, reason }),
        }
    }
    entries
}

/// Parses a line. Returns `None` if the line is not about the host.
fn read_line(text: &str, name: &str) -> Result<Option<(Marker, PublicKey)>, &'static str> {
    let text = text.trim_matches(is_blank);
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (marker, rest) = split_marker(text)?;
    let (hosts, rest) = split_word(rest);
    let is_relevant = matches!(marker, Marker::Revoked) || names_host(hosts, name)?;
    if rest.is_empty() {
        return Err("it has no key");
    }
    if !is_relevant {
        return Ok(None);
    }
    let (kind, rest) = split_word(rest);
    let (encoded, _comment) = split_word(rest);
    if encoded.is_empty() {
        return Err("it ends before the key");
    }
    match PublicKey::from_openssh(&format!("{kind} {encoded}")) {
        Ok(key) => Ok(Some((marker, key))),
        Err(_) => Err("its key is invalid"),
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

/// Splits off the first word and the blanks after it.
fn split_word(text: &str) -> (&str, &str) {
    text.split_once(is_blank).map_or((text, ""), |(word, rest)| (word, rest.trim_start_matches(is_blank)))
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r')
}

/// Whether the line's names include this one.
fn names_host(hosts: &str, name: &str) -> Result<bool, &'static str> {
    match hosts.strip_prefix("|1|") {
        None if hosts.starts_with('|') => Err("its name uses an unknown hash format"),
        None => Ok(patterns::list_matches(name, hosts)),
        Some(hashed) => is_hash_of(hashed, name).ok_or("its hashed name is invalid"),
    }
}

/// Compares a hashed name. `hashed` is `salt|hash`, both in base64; the hash is HMAC-SHA1 of the name with the salt as
/// key.
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

    /// Line numbers of the host's keys and of the invalid lines.
    fn lines(text: &str, name: &str) -> (Vec<usize>, Vec<usize>) {
        let entries = read(text, name);
        let keys = entries.keys.iter().map(|known| known.line).collect();
        (keys, entries.invalid.iter().map(|invalid| invalid.line).collect())
    }

    #[test]
    fn names_are_matched_like_ssh_matches_them() {
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
    fn an_invalid_line_is_reported_and_hides_no_valid_one() {
        for (invalid, reason) in [
            ("box", "it has no key"),
            ("box ssh-ed25519", "it ends before the key"),
            ("box ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3a", "its key is invalid"),
            ("box ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOwk9QmtC3Z4gMYZA2XpqUEkevrjswzUuyromOoHX6Fo", "its key is invalid"),
            ("@authority box ssh-ed25519 AAAA", "its marker is neither @cert-authority nor @revoked"),
            ("|1|nothing ssh-ed25519 AAAA", "its hashed name is invalid"),
            ("|2|a|b ssh-ed25519 AAAA", "its name uses an unknown hash format"),
        ] {
            let entries = read(&format!("{invalid}\nbox {KEY}\n"), "box");
            assert_eq!(entries.invalid, [InvalidLine { line: 1, reason }], "{invalid}");
            assert_eq!(entries.keys.len(), 1, "{invalid} hid the valid line");
        }
        let elsewhere = read("other ssh-ed25519 AAAA\n", "box");
        assert_eq!(elsewhere, HostEntries::default(), "the key of another host is not parsed");
    }

    #[test]
    fn marked_lines_make_no_key_known() {
        let text = format!("@cert-authority *.example {KEY}\n@revoked other {OTHER}\n@revoked\tbox\t{KEY}\n");
        let entries = read(&text, "box.example");
        assert_eq!((entries.keys.len(), entries.authorities.as_slice()), (0, &[1][..]));
        assert_eq!(entries.revoked.iter().map(|known| known.line).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(read(&text, "elsewhere").authorities, [] as [usize; 0]);
    }

    /// No change to a line causes a panic or hides the next line.
    #[test]
    fn every_line_is_parsed_or_reported() {
        let text = format!("@revoked |1|c2FsdA==|aGFzaA==,!b*é\t{KEY} é");
        for (index, character) in text.char_indices() {
            for put in ["", "|", "@", " ", "\t", "é", "\0", "!", "*", ",", "["] {
                let changed = format!("{}{put}{}", &text[..index], &text[index + character.len_utf8()..]);
                for line in [changed, text[..index].to_owned() + put] {
                    let entries = read(&format!("{line}\nbox {OTHER}\n"), "box");
                    assert!(entries.keys.iter().any(|known| known.line == 2), "{line:?}");
                }
            }
        }
    }
}
