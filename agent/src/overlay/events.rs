//! Reports changes of the overlays' links, so that the loop need not wait for its timer.

use std::io;

use futures::StreamExt;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use tokio::sync::mpsc;

/// Returns a receiver that gets a message each time a bridge or a VXLAN device of the fleet is added, removed or changed.
/// Several changes become one message while it is not read. Must be called inside a tokio runtime.
pub(crate) fn events() -> io::Result<mpsc::Receiver<()>> {
    let (connection, handle, mut messages) = rtnetlink::new_multicast_connection(&[MulticastGroup::Link])?;
    let (wake, woken) = mpsc::channel(1);
    tokio::spawn(connection);
    tokio::spawn(async move {
        // The connection ends with its last handle.
        let _handle = handle;
        while let Some((message, _)) = messages.next().await {
            if !is_ours(&message.payload) {
                continue;
            }
            if let Err(mpsc::error::TrySendError::Closed(())) = wake.try_send(()) {
                return;
            }
        }
    });
    Ok(woken)
}

fn is_ours(payload: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
    match payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link)) => {
            has_our_name(link)
        }
        // Messages were lost, and one of them may have been about these links.
        NetlinkPayload::Overrun(_) => true,
        _ => false,
    }
}

fn has_our_name(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::IfName(name) => name.starts_with("lf-") || name.starts_with("lx-"),
        _ => false,
    })
}
