//! Tables for the important cases, then random states against a model of the kernel.

use proptest::prelude::*;

use super::*;

fn mac(last: u8) -> Mac {
    mac_of(1, last)
}

fn mac_of(epoch: u8, last: u8) -> Mac {
    Mac::from_bytes(&[2, 0x1f, 0, epoch, 0, last]).expect("six bytes")
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 19, 0, last)
}

fn host(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 2, last)
}

/// Returns the overlay of host 1 with these neighbours: (last byte of the address, epoch, host).
fn desired(neighbours: &[(u8, u8, u8)]) -> Desired {
    let neighbour =
        |(at, epoch, on): &(u8, u8, u8)| (address(*at), Neighbour { mac: mac_of(*epoch, *at), host: host(*on) });
    Desired {
        bridge: "lf-0123456789ab".to_owned(),
        vni: 4711,
        local: host(1),
        mtu: 1450,
        mac: mac_of(0, 254),
        neighbours: neighbours.iter().map(neighbour).collect(),
    }
}

/// Models the kernel, as far as the steps change it.
fn carry_out(steps: &[Step], observed: &mut Observed) {
    for step in steps {
        apply(*step, observed);
    }
}

fn apply(step: Step, kernel: &mut Observed) {
    let device =
        |kernel: &mut Observed, change: &dyn Fn(&mut Device)| change(kernel.device.as_mut().expect("a device"));
    match step {
        Step::RemoveDevice => {
            kernel.device.take().expect("a device");
            kernel.forwards.clear();
            kernel.remotes.clear();
        }
        Step::CreateDevice { vni, local } => {
            assert!(kernel.device.is_none(), "it is there already");
            let device =
                Device { vni, local: Some(local), port: PORT, learning: false, mtu: 1500, up: false, attached: None };
            kernel.device = Some(device);
        }
        Step::SetDeviceMtu(mtu) => device(kernel, &|device| device.mtu = mtu),
        Step::Attach => {
            // The kernel creates a port with these flags.
            let port = PortFlags {
                learning: true,
                unicast_flood: true,
                multicast_flood: true,
                broadcast_flood: true,
                neigh_suppress: false,
            };
            kernel.forwards.clear();
            device(kernel, &|device| device.attached = Some(port));
        }
        Step::SetPort => device(kernel, &|device| *device.attached.as_mut().expect("a port") = PortFlags::OVERLAY),
        Step::SetUp => device(kernel, &|device| device.up = true),
        Step::SetBridgeMac(mac) => kernel.bridge.as_mut().expect("a bridge").mac = mac,
        Step::SetBridgeMtu(mtu) => kernel.bridge.as_mut().expect("a bridge").mtu = mtu,
        Step::RemoveNeighbour(address) => assert!(kernel.neighbours.remove(&address).is_some(), "{step}"),
        Step::RemoveForward(mac) => assert!(kernel.forwards.remove(&mac), "{step}"),
        Step::RemoveRemote(mac, host) => assert!(kernel.remotes.remove(&(mac, host)), "{step}"),
        Step::AddRemote(mac, host) => assert!(kernel.remotes.insert((mac, host)), "{step}"),
        Step::SetForward(mac) => {
            assert!(kernel.device.is_some_and(|device| device.attached.is_some()), "{step}: no port");
            kernel.forwards.insert(mac);
        }
        Step::SetNeighbour(address, mac) => {
            kernel.neighbours.insert(address, mac);
        }
        Step::Announce(address, mac) => assert_eq!(kernel.neighbours.get(&address), Some(&mac), "{step}"),
    }
}

/// Returns a host where the engine has just created the bridge.
fn fresh() -> Observed {
    Observed { bridge: Some(Bridge { mac: mac(99), mtu: 1500 }), ..Observed::default() }
}

/// Returns a host that matches `desired`.
fn settled(desired: &Desired) -> Observed {
    let mut observed = fresh();
    let steps = diff(desired, &observed);
    carry_out(&steps, &mut observed);
    observed
}

fn print(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn a_new_host_gets_its_device_quiet_before_it_is_up_and_the_way_before_the_name() {
    let steps = print(&diff(&desired(&[(50, 1, 2), (51, 1, 3)]), &fresh()));
    assert_eq!(
        steps,
        [
            "set bridge mac 02:1f:00:00:00:fe",
            "set bridge mtu 1450",
            "create device vni 4711 from 192.168.2.1",
            "set device mtu 1450",
            "attach device",
            "set port: no learning, no flood, answer arp",
            "set device up",
            "add remote 02:1f:00:01:00:32 at 192.168.2.2",
            "add remote 02:1f:00:01:00:33 at 192.168.2.3",
            "set forward 02:1f:00:01:00:32",
            "set forward 02:1f:00:01:00:33",
            "set neighbour 172.19.0.50 is 02:1f:00:01:00:32",
            "set neighbour 172.19.0.51 is 02:1f:00:01:00:33",
        ]
    );
}

#[test]
fn what_is_as_it_must_be_needs_no_step() {
    let desired = desired(&[(50, 1, 2)]);
    assert_eq!(diff(&desired, &settled(&desired)), []);
}

#[test]
fn f38_when_an_address_moves_its_mac_is_replaced_and_announced_to_containers() {
    let observed = settled(&desired(&[(50, 1, 2)]));
    assert_eq!(
        print(&diff(&desired(&[(50, 2, 3)]), &observed)),
        [
            "remove forward 02:1f:00:01:00:32",
            "remove remote 02:1f:00:01:00:32 at 192.168.2.2",
            "add remote 02:1f:00:02:00:32 at 192.168.2.3",
            "set forward 02:1f:00:02:00:32",
            "set neighbour 172.19.0.50 is 02:1f:00:02:00:32",
            "announce 172.19.0.50 is 02:1f:00:02:00:32",
        ]
    );
}

#[test]
fn what_came_here_or_went_away_is_in_no_table() {
    let observed = settled(&desired(&[(50, 1, 2), (51, 1, 2)]));
    assert_eq!(
        print(&diff(&desired(&[(51, 1, 2)]), &observed)),
        [
            "remove neighbour 172.19.0.50",
            "remove forward 02:1f:00:01:00:32",
            "remove remote 02:1f:00:01:00:32 at 192.168.2.2",
        ]
    );
}

#[test]
fn f40_a_device_deleted_by_hand_is_made_again_with_all_its_rows() {
    let desired = desired(&[(50, 1, 2)]);
    let mut observed = settled(&desired);
    apply(Step::RemoveDevice, &mut observed);
    assert_eq!(
        print(&diff(&desired, &observed)),
        [
            "create device vni 4711 from 192.168.2.1",
            "set device mtu 1450",
            "attach device",
            "set port: no learning, no flood, answer arp",
            "set device up",
            "add remote 02:1f:00:01:00:32 at 192.168.2.2",
            "set forward 02:1f:00:01:00:32",
        ]
    );
}

#[test]
fn f40_a_device_taken_off_the_bridge_or_set_down_comes_back() {
    let desired = desired(&[]);
    let mut observed = settled(&desired);
    let device = observed.device.as_mut().expect("a device");
    (device.attached, device.up) = (None, false);
    let steps = print(&diff(&desired, &observed));
    assert_eq!(steps, ["attach device", "set port: no learning, no flood, answer arp", "set device up"]);
}

#[test]
fn a_device_of_another_network_address_or_port_or_one_that_learns_is_made_anew() {
    let desired = desired(&[]);
    let device = settled(&desired).device.expect("a device");
    for wrong in [
        Device { vni: 1, ..device },
        Device { local: Some(host(9)), ..device },
        Device { local: None, ..device },
        Device { port: 8472, ..device },
        Device { learning: true, ..device },
    ] {
        let observed = Observed { device: Some(wrong), ..settled(&desired) };
        assert_eq!(
            print(&diff(&desired, &observed))[..2],
            ["remove device", "create device vni 4711 from 192.168.2.1"]
        );
    }
}

#[test]
fn a_row_with_two_hosts_for_one_mac_loses_the_wrong_one() {
    let desired = desired(&[(50, 1, 2)]);
    let mut observed = settled(&desired);
    observed.remotes.insert((mac(50), host(9)));
    assert_eq!(print(&diff(&desired, &observed)), ["remove remote 02:1f:00:01:00:32 at 192.168.2.9"]);
}

fn any_desired() -> impl Strategy<Value = Desired> {
    let neighbour = (0u8..6, 1u8..3, 2u8..5);
    (prop::collection::vec(neighbour, 0..6), 1u32..3, 1400u32..1402).prop_map(|(neighbours, vni, mtu)| Desired {
        vni,
        mtu,
        ..desired(&neighbours)
    })
}

fn any_observed() -> impl Strategy<Value = Observed> {
    let flags = any::<[bool; 5]>().prop_map(|[a, b, c, d, e]| PortFlags {
        learning: a,
        unicast_flood: b,
        multicast_flood: c,
        broadcast_flood: d,
        neigh_suppress: e,
    });
    let device =
        (1u32..3, prop::option::of(1u8..3), any::<bool>(), any::<bool>(), prop::option::of(flags), 1400u32..1402)
            .prop_map(|(vni, local, learning, up, attached, mtu)| Device {
                vni,
                local: local.map(host),
                port: PORT,
                learning,
                mtu,
                up,
                attached,
            });
    let rows = (
        prop::collection::btree_map((0u8..6).prop_map(address), (0u8..6).prop_map(mac), 0..5),
        prop::collection::btree_set((0u8..6).prop_map(mac), 0..5),
        prop::collection::btree_set(((0u8..6).prop_map(mac), (2u8..5).prop_map(host)), 0..5),
    );
    (prop::option::of(device), rows).prop_map(|(device, (neighbours, forwards, remotes))| {
        let attached = device.is_some_and(|device| device.attached.is_some());
        Observed {
            neighbours,
            forwards: if attached { forwards } else { BTreeSet::new() },
            remotes: if device.is_some() { remotes } else { BTreeSet::new() },
            device,
            ..fresh()
        }
    })
}

proptest! {
    #[test]
    fn from_any_state_the_steps_lead_to_the_desired_one_and_then_there_are_none(
        desired in any_desired(), mut observed in any_observed(),
    ) {
        let steps = diff(&desired, &observed);
        carry_out(&steps, &mut observed);
        prop_assert_eq!(&observed, &settled(&desired));
        prop_assert_eq!(diff(&desired, &observed), []);
    }

    #[test]
    fn interrupted_anywhere_the_rest_is_found_again(
        desired in any_desired(), mut observed in any_observed(), taken in 0usize..20,
    ) {
        let steps = diff(&desired, &observed);
        carry_out(&steps[..taken.min(steps.len())], &mut observed);
        let rest = diff(&desired, &observed);
        carry_out(&rest, &mut observed);
        prop_assert_eq!(observed, settled(&desired));
    }

    #[test]
    fn at_no_moment_is_an_address_known_whose_way_is_not(desired in any_desired(), before in any_desired()) {
        let mut kernel = settled(&before);
        for step in diff(&desired, &kernel) {
            apply(step, &mut kernel);
            if let Step::SetNeighbour(_, mac) = step {
                prop_assert!(kernel.forwards.contains(&mac));
                prop_assert!(kernel.remotes.iter().any(|(remote, _)| *remote == mac));
            }
        }
    }
}
