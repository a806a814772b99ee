//! Tests of routes: tables, and a comparison with the output of `ssh -G`.

use landfast_engine::Hint as _;
use std::path::Path;

use super::super::config::parse;
use super::*;

fn me() -> LocalUser {
    LocalUser {
        user: "me".to_owned(),
        uid: 1000,
        home: "/home/me".into(),
        current_dir: "/srv/project".into(),
        environment: BTreeMap::from([("SSH_AUTH_SOCK".to_owned(), "/agent".to_owned())]),
    }
}

fn route_with(config: &str, requested: &str, overrides: &Overrides) -> Result<Route, ConfigError> {
    let directives = parse::parse(("config".into(), config.to_owned()), &|_| Ok(Vec::new())).unwrap();
    route(&RequestedDestination::parse(requested).unwrap(), "10.77.0.11", overrides, &Config { directives }, &me())
}

fn route_to(config: &str, requested: &str) -> Route {
    route_with(config, requested, &Overrides::default()).unwrap()
}

/// The hops in order, as `user@host`.
fn hops_to(config: &str, requested: &str) -> Vec<String> {
    route_to(config, requested).hops.iter().map(|hop| hop.destination.to_string()).collect()
}

fn last_hop(config: &str, requested: &str) -> Hop {
    route_to(config, requested).hops.pop().unwrap()
}

const CONFIG: &str = "Host box\n HostName 10.77.0.12\n User anna\n Port 2222\n";

#[test]
fn the_command_line_overrides_the_configuration() {
    for (requested, expected) in [
        ("box", "anna@[10.77.0.12]:2222"),
        ("root@box", "root@[10.77.0.12]:2222"),
        ("root@box:22", "root@10.77.0.12"),
        ("root@", "root@10.77.0.11"),
        ("other.example", "me@other.example"),
    ] {
        assert_eq!(hops_to(CONFIG, requested), [expected]);
    }
    assert_eq!(hops_to("Host 10.77.0.11\n Port 2222\n", "root@"), ["root@[10.77.0.11]:2222"]);
    assert_eq!(hops_to("HostName %h.example\n", "box"), ["me@box.example"]);
}

#[test]
fn a_host_is_known_by_its_name_or_its_alias() {
    let names = |config: &str| last_hop(config, "box").names;
    let with_port = Names { name: "[box]:2222".to_owned(), without_port: Some("box".to_owned()) };
    assert_eq!(names("Port 2222\n"), with_port);
    assert_eq!(names("HostName BOX.example\n"), Names { name: "box.example".to_owned(), without_port: None });
    assert_eq!(names("Port 2222\nHostKeyAlias X\n"), Names { name: "x".to_owned(), without_port: None });
}

#[test]
fn jump_hosts_use_the_configuration_too() {
    let config = "Host box\n ProxyJump gate\nHost gate\n HostName gate.example\n User bob\n Port 2200\n";
    assert_eq!(hops_to(config, "anna@box"), ["bob@[gate.example]:2200", "anna@box"]);
    let chain = "Host box\n ProxyJump b\nHost b\n ProxyJump a\n";
    assert_eq!(hops_to(chain, "box"), ["me@a", "me@b", "me@box"]);
    let list = "Host box\n ProxyJump root@a,b:2222\nHost b\n ProxyJump elsewhere\n";
    assert_eq!(hops_to(list, "box"), ["root@a", "me@[b]:2222", "me@box"]);
    let none = "Host gate\n ProxyJump none\nHost *\n ProxyJump gate\n";
    assert_eq!(hops_to(none, "box"), ["me@gate", "me@box"]);
    let token = "Host gate-box\n ProxyJump none\nHost *\n ProxyJump ssh://%r@gate-%h:22\n";
    assert_eq!(hops_to(token, "box"), ["me@gate-box", "me@box"]);
}

#[test]
fn invalid_jump_hosts_are_reported_with_file_and_line() {
    for (config, expected) in [
        ("\nProxyJump gate\n", "config:2: ProxyJump forms a loop through gate"),
        ("Host box\n ProxyJump a,,b\n", "config:2: `` is not a valid jump host: write [user@]host[:port]"),
        ("Host box\n ProxyCommand nc %h %p\n", "config:2: `ProxyCommand` is not supported"),
        ("RevokedHostKeys /x\n", "config:1: `RevokedHostKeys` is not supported"),
        (
            "HostName $(id)\n",
            "config:1: `$(id)` is not a valid value for `HostName`: it is neither a name nor an address",
        ),
    ] {
        let error = route_with(config, "box", &Overrides::default()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{config}");
    }
    let hint = route_with("ProxyCommand nc\n", "box", &Overrides::default()).unwrap_err().hint().unwrap();
    assert!(hint.contains("ProxyJump"), "{hint}");
}

#[test]
fn keys_come_from_the_configuration_or_the_defaults() {
    let keys = |config: &str| last_hop(config, "box").keys;
    let agent = || Some("/agent".into());
    let usual = keys("Host other\n IdentityFile x\n");
    assert_eq!(usual.files[0], Path::new("/home/me/.ssh/id_rsa"));
    assert_eq!((usual.files.len(), usual.named, usual.others, usual.agent), (5, false, true, agent()));
    let named = keys("IdentityFile ~/.ssh/box\nIdentityFile %d/%r\nIdentitiesOnly yes\n");
    let files = vec!["/home/me/.ssh/box".into(), "/home/me/me".into()];
    assert_eq!(named, Keys { files, named: true, others: false, required: false, agent: agent() });
    assert!(keys("IdentityFile none\n").files.is_empty());
}

#[test]
fn the_agent_can_be_configured() {
    for (written, expected) in [
        ("none", None),
        ("SSH_AUTH_SOCK", Some("/agent")),
        ("$SSH_AUTH_SOCK", Some("/agent")),
        ("${SSH_AUTH_SOCK}", Some("/agent")),
        ("$NOBODY", None),
        ("~/.agent", Some("/home/me/.agent")),
    ] {
        let agent = last_hop(&format!("IdentityAgent {written}\n"), "box").keys.agent;
        assert_eq!(agent.as_deref(), expected.map(Path::new), "{written}");
    }
}

#[test]
fn known_hosts_files_can_be_configured() {
    let files = |config: &str| match last_hop(config, "box").trust {
        Trust::KnownHosts(files) => files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
        Trust::Fingerprint(_) => panic!("no fingerprint was given"),
    };
    let global = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];
    let user = ["/home/me/.ssh/known_hosts", "/home/me/.ssh/known_hosts2"];
    assert_eq!(files(""), [user, global].concat());
    assert_eq!(files("UserKnownHostsFile none\n"), global);
    assert_eq!(
        files("UserKnownHostsFile ~/a /b/%h\nGlobalKnownHostsFile /dev/null\n"),
        ["/home/me/a", "/b/box", "/dev/null"]
    );
    // Settings that make ssh less strict have no effect.
    assert_eq!(files("StrictHostKeyChecking no\nNoHostAuthenticationForLocalhost yes\n"), [user, global].concat());
}

#[test]
fn overrides_apply_to_the_destination_only() {
    let overrides = Overrides {
        identity: Some("key".into()),
        known_hosts: Some("known".into()),
        fingerprint: Some("SHA256:x".to_owned()),
    };
    let config = "IdentityFile /other\nHost box\n ProxyJump gate\n";
    let hops = route_with(config, "box", &overrides).unwrap().hops;
    let [gate, host] = hops.as_slice() else { panic!("{hops:?}") };
    assert_eq!(host.keys.files, [PathBuf::from("/srv/project/key")]);
    assert!(host.keys.required && !host.keys.others);
    assert!(matches!(&host.trust, Trust::Fingerprint(text) if text == "SHA256:x"));
    assert_eq!(gate.keys.files, [PathBuf::from("/other")]);
    assert!(matches!(&gate.trust, Trust::KnownHosts(files) if *files == [PathBuf::from("/srv/project/known")]));
}

#[test]
fn an_ignored_keyword_is_noted_once() {
    let notes = route_to("ProxyJmp gate\nHost box\n ProxyJump gate\n", "box").notes;
    assert_eq!(notes, ["config:1: `ProxyJmp` is not a keyword of ssh's configuration and is ignored"]);
}

/// The settings that `ssh -G` prints.
fn ssh_settings(config: &str, host: &str) -> BTreeMap<String, Vec<String>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    let mut ssh = std::process::Command::new("ssh");
    let output = ssh.arg("-G").arg("-F").arg(file.path()).arg(host).output().unwrap();
    assert!(output.status.success(), "{config}: {}", String::from_utf8_lossy(&output.stderr));
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (keyword, value) in String::from_utf8(output.stdout).unwrap().lines().filter_map(|line| line.split_once(' ')) {
        values.entry(keyword.to_owned()).or_default().push(value.to_owned());
    }
    values
}

#[test]
fn the_configuration_is_interpreted_like_ssh_interprets_it() {
    for config in [
        "Host box\n HostName %h.example\n Port 2222\n User anna\nHost *\n Port 1\n User bob\n",
        "host=\"box\"\n hostname = \"10.0.0.1\"\n USER=anna # mine\n",
        "Host * !box\n Port 2\nHost b?x,other\n Port 3\nHost b?x\n Port 4\n",
        "Host !box *\n Port 2\n",
        "Host other\n Port 2\nHost \"b*\" other\n Port 3\n",
        "Match host b*,!bax\n Port 2\nMatch all\n User anna\n",
        "Match !host box\n Port 2\nMatch originalhost box\n Port 3\n",
        "Host box\n HostName real.example\nMatch host real.*\n Port 2\nMatch host box\n Port 3\n",
        "Match final host real.example\n Port 2\nHost box\n HostName real.example\n",
        "Match final\n Port 2\nHost real.example\n User late\nHost box\n HostName real.example\n",
        "User anna\nMatch user anna\n Port 2\nMatch user bob\n Port 3\n",
        "IdentityFile /a\nHost box\n IdentityFile '/b c'\n IdentityFile /a\n IdentitiesOnly yes\n",
        "IdentityFile /a\\ b\nHostKeyAlias Alias\nUserKnownHostsFile /a \"/b c\" /d\n",
        "ProxyJump gate,bob@two:2222\nProxyJump other\nGlobalKnownHostsFile /x\n",
        "ProxyJump none\nHost box\n ProxyJump gate\n",
        "Host Box\n Port 2\nHost box\n Port 3\n",
        "ConnectTimeout 1m30s\nAddressFamily inet\n",
    ] {
        let directives = parse::parse(("config".into(), config.to_owned()), &|_| Ok(Vec::new())).unwrap();
        let config_of = Config { directives };
        let me = me();
        let query = HostQuery { host: "box", user: None, local_user: &me.user };
        let found = config_of.settings(query).unwrap();
        let theirs = ssh_settings(config, "box");
        let one = |keyword: &str| theirs.get(keyword).map(|values| values.join("|"));
        let planner = Planner { config: &config_of, local: &me, overrides: &Overrides::default(), notes: Vec::new() };
        let requested = RequestedDestination { host: Some("box".to_owned()), ..RequestedDestination::default() };
        let to = planner.destination(&requested, &found, "box").unwrap();
        assert_eq!(Some(to.host), one("hostname"), "{config}");
        assert_eq!(Some(to.port.to_string()), one("port"), "{config}");
        if let Some(user) = &found.user {
            assert_eq!(Some(user.value.clone()), one("user"), "{config}");
        }
        if !found.identity_files.is_empty() {
            let files = found.identity_files.iter().map(|file| file.value.as_str()).collect::<Vec<_>>();
            assert_eq!(Some(files.join("|")), one("identityfile"), "{config}");
        }
        assert_eq!(found.host_key_alias.map(|alias| alias.value.to_lowercase()), one("hostkeyalias"), "{config}");
        let only = found.identities_only.is_some_and(|only| only.value);
        assert_eq!(only, one("identitiesonly").as_deref() == Some("yes"), "{config}");
        let jump = match found.proxy.map(|proxy| proxy.value) {
            Some(Proxy::Jump(list)) => Some(list.join(",")),
            _ => None,
        };
        assert_eq!(jump, one("proxyjump").filter(|jump| jump != "none"), "{config}");
        for (ours, keyword) in
            [(found.user_known_hosts, "userknownhostsfile"), (found.global_known_hosts, "globalknownhostsfile")]
        {
            if let Some(files) = ours {
                assert_eq!(Some(files.value.join(" ")), one(keyword), "{config}");
            }
        }
        if let Some(limit) = found.connect_timeout {
            assert_eq!(limit.value.map(|limit| limit.as_secs().to_string()), one("connecttimeout"), "{config}");
        }
    }
}
