//! Adds a host to the text of `landfast.toml`. The entry is appended at the end; the existing text, including its
//! comments, is kept.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use landfast_agreement::ports;
use landfast_core::fleet::Fleet;

/// Why a host cannot be added to the file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EntryError {
    #[error("landfast.toml has {host} at {found}, not at {asked}")]
    Elsewhere { host: String, found: String, asked: String },
    #[error("{host} cannot be added to landfast.toml: {problem}")]
    DoesNotFit { host: String, problem: String },
}

/// Returns the text with the host added, or `None` if the text has the host already.
pub(super) fn with_host(
    fleet: &Fleet,
    text: &str,
    host: &str,
    address: Ipv4Addr,
    port: u16,
) -> Result<Option<String>, EntryError> {
    let asked = format!("{address}:{port}");
    if let Some(known) = fleet.hosts.get(host) {
        let found = format!("{}:{}", known.address, known.port);
        let elsewhere = EntryError::Elsewhere { host: host.to_owned(), found: found.clone(), asked: asked.clone() };
        return if found == asked { Ok(None) } else { Err(elsewhere) };
    }
    let longer = format!("{}{}", text.trim_end(), entry(host, address, port));
    // The result is parsed again, because an entry at the end does not fit every way to write the file.
    let does_not_fit = |problem: String| EntryError::DoesNotFit { host: host.to_owned(), problem };
    let read = Fleet::parse("landfast.toml", &longer).map_err(|mistakes| does_not_fit(mistakes.to_string()))?;
    match read.hosts.get(host) {
        Some(found) if format!("{}:{}", found.address, found.port) == asked => Ok(Some(longer)),
        _ => Err(does_not_fit("the edited file would not define this host".to_owned())),
    }
}

fn entry(host: &str, address: Ipv4Addr, port: u16) -> String {
    let mut entry = format!("\n\n[hosts.{host}]\naddress = \"{address}\"\n");
    if port != ports::AGENT {
        writeln!(entry, "port = {port}").expect("a String takes all");
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[fleet]\nname = \"home\" # ours\n\n[hosts.alpha]\naddress = \"192.168.2.201\"\n\n# the end\n";

    fn add(text: &str, host: &str, last: u8, port: u16) -> Result<Option<String>, EntryError> {
        with_host(&Fleet::parse("landfast.toml", text).unwrap(), text, host, [192, 168, 2, last].into(), port)
    }

    #[test]
    fn a_host_is_appended_and_the_rest_is_kept() {
        let expected = format!("{TEXT}\n[hosts.beta]\naddress = \"192.168.2.202\"\n");
        assert_eq!(add(TEXT, "beta", 202, 7219), Ok(Some(expected.clone())));
        assert_eq!(add(&expected, "beta", 202, 7219), Ok(None));
        assert!(add(TEXT, "beta", 202, 7300).unwrap().unwrap().ends_with("port = 7300\n"));
    }

    #[test]
    fn a_host_that_is_elsewhere_is_not_moved() {
        let error = add(TEXT, "alpha", 9, 7219).unwrap_err().to_string();
        assert_eq!(error, "landfast.toml has alpha at 192.168.2.201:7219, not at 192.168.2.9:7219");
    }

    #[test]
    fn an_entry_that_does_not_fit_is_refused_before_anything_is_written() {
        let inline = "hosts = { alpha = { address = \"192.168.2.201\" } }\n[fleet]\nname = \"home\"\n";
        assert!(matches!(add(inline, "beta", 202, 7219), Err(EntryError::DoesNotFit { .. })));
        assert!(matches!(add(TEXT, "b\"]", 202, 7219), Err(EntryError::DoesNotFit { .. })));
        assert!(matches!(add(TEXT, "beta", 201, 7219), Err(EntryError::DoesNotFit { .. })), "one address, two hosts");
    }
}
