//! Tests of the settings for a host.

use std::time::Duration;

use super::super::parse;
use super::*;

fn config(text: &str) -> Config {
    let include = |word: &str| match word {
        "hosts" => Ok(vec![("hosts".into(), "Host box\nPort 2222\nHost other\nPort 3333\n".to_owned())]),
        "plain" => Ok(vec![("plain".into(), "Port 4444\n".to_owned())]),
        _ => Ok(Vec::new()),
    };
    Config { directives: parse::parse(("config".into(), text.to_owned()), &include).unwrap() }
}

fn query(host: &str) -> HostQuery<'_> {
    HostQuery { host, user: None, local_user: "me" }
}

fn settings(text: &str, host: &str) -> Settings {
    config(text).settings(query(host)).unwrap()
}

fn port(text: &str, host: &str) -> Option<u16> {
    settings(text, host).port.map(|port| port.value)
}

#[test]
fn the_first_value_wins_and_blocks_apply_to_their_hosts() {
    let text = "Port 1\nHost box\n Port 2\nHost *\n Port 3\n";
    assert_eq!(port(text, "box"), Some(1));
    let text = "host=box *.example !bad.example\n Port 2\nHOST *\n PORT 3\n";
    for (host, expected) in [("box", 2), ("a.example", 2), ("bad.example", 3), ("other", 3), ("Box", 3)] {
        assert_eq!(port(text, host), Some(expected), "{host}");
    }
    assert_eq!(port("Host !box\n Port 2\n", "other"), None, "a negated pattern alone matches nothing");
}

#[test]
fn identity_files_accumulate_without_duplicates() {
    let text = "Host box\n IdentityFile a\nHost *\n IdentityFile b\n IdentityFile a\n";
    let files: Vec<String> = settings(text, "box").identity_files.into_iter().map(|file| file.value).collect();
    assert_eq!(files, ["a", "b"]);
}

#[test]
fn an_included_file_applies_where_it_is_included() {
    for (text, host, expected) in [
        ("Include hosts\nPort 1\n", "box", Some(2222)),
        ("Include hosts\nPort 1\n", "none", Some(1)),
        ("Host other\n Include plain\n", "box", None),
        ("Host box\n Include plain\n", "box", Some(4444)),
        // A file that is included from another host's block does not apply.
        ("Host other\n Include hosts\n", "box", None),
        // A Host line in an included file does not end the including block.
        ("Host none\n Include hosts\n Port 5\n", "none", Some(5)),
    ] {
        assert_eq!(port(text, host), expected, "{text:?} {host}");
    }
}

#[test]
fn match_criteria_are_evaluated() {
    for (criteria, expected) in [
        ("all", true),
        ("host box", true),
        ("host other,b*", true),
        ("host b*,!box", false),
        ("!host other", true),
        ("originalhost box user me", true),
        ("originalhost box user you", false),
        ("localuser me", true),
        ("final", true),
        ("host other exec true", false),
    ] {
        let found = port(&format!("Match {criteria}\n Port 2\n"), "box");
        assert_eq!(found, expected.then_some(2), "{criteria}");
    }
    let text = "Host box\n HostName real.example\n User anna\nMatch host real.* user anna\n Port 2\n";
    assert_eq!(port(text, "box"), Some(2), "names and users that were found count");
    let text = "Match final host real.example\n Port 2\nHost box\n HostName real.example\n";
    assert_eq!(port(text, "box"), Some(2), "the last reading knows the name");
    let text = "Match final\nHost box\n HostName %h.example\nMatch final host box.example\n Port 2\n";
    assert_eq!(port(text, "box"), Some(2), "%h is put in once");
    let text = "Match final\nHost box\n HostName real.example\nMatch final !originalhost box\n Port 2\n";
    assert_eq!(port(text, "box"), None, "the original name is the one that was typed");
}

#[test]
fn values_are_parsed() {
    let text = "HostName %h.example\nUser anna\nIdentitiesOnly yes\nIdentityAgent none\nProxyJump a,b@c:22\n\
                UserKnownHostsFile one two\nHostKeyAlias alias\nConnectTimeout 1m30\nAddressFamily inet6\n";
    let found = settings(text, "box");
    let value = |setting: Option<Located<String>>| setting.map(|setting| setting.value).unwrap_or_default();
    assert_eq!(value(found.host_name), "%h.example");
    assert_eq!(value(found.user), "anna");
    assert_eq!(value(found.identity_agent), "none");
    assert_eq!(value(found.host_key_alias), "alias");
    assert!(found.identities_only.unwrap().value);
    assert_eq!(found.proxy.unwrap().value, Proxy::Jump(vec!["a".to_owned(), "b@c:22".to_owned()]));
    assert_eq!(found.user_known_hosts.unwrap().value, ["one", "two"]);
    assert_eq!(found.connect_timeout.unwrap().value, Some(Duration::from_secs(90)));
    assert_eq!(found.family.unwrap().value, Family::V6);
}

#[test]
fn the_first_proxy_directive_wins() {
    for (text, expected) in [
        ("ProxyJump none\nProxyJump a\n", Proxy::Direct),
        ("ProxyCommand none\nProxyJump a\n", Proxy::Direct),
        ("ProxyJump a\nProxyCommand ssh -W %h:%p a\n", Proxy::Jump(vec!["a".to_owned()])),
        ("ProxyCommand ssh -W %h:%p a\nProxyJump a\n", Proxy::Command),
    ] {
        assert_eq!(settings(text, "box").proxy.unwrap().value, expected, "{text}");
    }
}

#[test]
fn invalid_lines_are_reported_with_file_and_line() {
    for (text, expected) in [
        ("Port x\n", "config:1: `x` is not a valid value for `Port`: a port is a number from 1 to 65535"),
        ("\nport 0\n", "config:2: `0` is not a valid value for `port`: a port is a number from 1 to 65535"),
        ("IdentitiesOnly perhaps\n", "config:1: `perhaps` is not a valid value for `IdentitiesOnly`: write yes or no"),
        ("User anna bob\n", "config:1: `User` takes one value, but `bob` follows it"),
        ("User \"\"\n", "config:1: `User` has no value"),
        ("Match exec true\n", "config:1: `Match exec` is not supported"),
        ("Match host\n", "config:1: `host` has no value"),
        (
            "ConnectTimeout soon\n",
            "config:1: `soon` is not a valid value for `ConnectTimeout`: write a number of seconds, or a time as in 1m30s",
        ),
    ] {
        assert_eq!(config(text).settings(query("box")).unwrap_err().to_string(), expected);
    }
    assert_eq!(port("Host other\n Port x\n", "box"), None, "a line for another host has no effect");
}

#[test]
fn an_ignored_line_is_noted() {
    let noted = |text: &str| {
        let noted = settings(text, "box").ignored;
        noted.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        noted("IdentiyFile x\nSendEnv LANG\nStrictHostKeyChecking no\n"),
        ["config:1: `IdentiyFile` is not a keyword of ssh's configuration and is ignored"]
    );
    assert_eq!(noted("IgnoreUnknown My*,Other\nMyOption x\nother y\n"), [] as [&str; 0]);
    assert_eq!(
        noted("CertificateFile x\nCanonicalizeHostname no\nHost other\n BindAddress x\n"),
        ["config:1: `CertificateFile` is not supported and is ignored"]
    );
}

/// No change to the text causes a panic.
#[test]
fn every_text_is_parsed_or_refused() {
    let text =
        "Host \"b x\" !é\n HostName=%h\nMatch host b*,!c user d\n Port 22\nIdentityFile 'a b' # c\nInclude hosts\n";
    let include = |_: &str| Ok(vec![("hosts".into(), "Port 2\n".to_owned())]);
    let read = |text: String| {
        let read = parse::parse(("config".into(), text), &include);
        read.and_then(|directives| Config { directives }.settings(query("box")).map(drop)).is_ok()
    };
    let (mut good, mut bad) = (0, 0);
    for (index, character) in text.char_indices() {
        for put in ["", "\"", "'", "\\", "é", "\0", "=", "\n", "!", "%", ","] {
            let changed = format!("{}{put}{}", &text[..index], &text[index + character.len_utf8()..]);
            for text in [changed, text[..index].to_owned() + put] {
                if read(text) { good += 1 } else { bad += 1 }
            }
        }
    }
    assert!(good > 100 && bad > 100, "{good} {bad}");
}
