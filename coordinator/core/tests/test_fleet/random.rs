//! Random stacks, the same for the same seed.
#![allow(dead_code)]

/// A health check in a compose file.
pub(crate) const CHECK: &str = "healthcheck: {test: [CMD, ok]}";

/// Numbers that look random and are the same for the same seed (xorshift64*).
#[derive(Clone)]
pub(crate) struct SeededRandom(u64);

impl SeededRandom {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// Services that depend on earlier ones, with one or two images. Some are missing in one of the forms.
pub(crate) fn stack(random: &mut SeededRandom, form: u64) -> String {
    let mut yaml = "services:\n".to_owned();
    let mut there: Vec<(u64, bool, bool)> = Vec::new();
    for at in 0..2 + random.below(4) {
        // The shape is the same in both forms, the details are not.
        let (checked, job, replicas) = (random.chance(50), random.chance(20), 1 + random.below(3));
        let (in_first, in_second, image) = (random.chance(85), random.chance(85), 1 + random.below(2));
        let (fixed, published) = (random.chance(30), random.chance(20));
        let wanted: Vec<bool> = (0..at).map(|_| random.chance(40)).collect();
        if !(if form == 1 { in_first } else { in_second }) {
            continue;
        }
        let image = if form == 1 { 1 } else { image };
        let mut keys = vec![format!("image: 'i{at}:{image}'")];
        keys.push(if fixed && !job {
            format!("networks: {{infra_net: {{ipv4_address: 172.19.1.{}}}}}", at + 10 - form)
        } else {
            "networks: [infra_net]".into()
        });
        if published && !job {
            keys.push(format!("ports: ['{}:80']", 8080 + at - form));
        }
        if checked && !job {
            keys.push(CHECK.into());
        }
        if job {
            keys.push("command: [job]".into());
        } else if !fixed {
            keys.push(format!("deploy: {{replicas: {replicas}, update_config: {{parallelism: {}}}}}", random.below(3)));
        }
        let depends: Vec<String> = there
            .iter()
            .filter(|(on, ..)| wanted[*on as usize])
            .map(|(on, checked, job)| {
                let condition = match (job, checked) {
                    (true, _) => "service_completed_successfully",
                    (_, true) => "service_healthy",
                    _ => "service_started",
                };
                format!("s{on}: {{condition: {condition}}}")
            })
            .collect();
        if !depends.is_empty() {
            keys.push(format!("depends_on: {{{}}}", depends.join(", ")));
        }
        yaml.push_str(&format!("  s{at}: {{{}}}\n", keys.join(", ")));
        there.push((at, checked, job));
    }
    if there.is_empty() {
        yaml.push_str("  s9: {image: 'i9:1', networks: [infra_net]}\n");
    }
    yaml
}

/// Placement of some services. A second call gives other hosts, so that services move.
pub(crate) fn places(random: &mut SeededRandom) -> String {
    let mut places = Vec::new();
    for at in 0..6 {
        let (is_placed, host) = (random.chance(40), ["alpha", "beta", "gamma"][random.below(3) as usize]);
        if is_placed {
            places.push(format!("s{at} = \"{host}\""));
        }
    }
    format!("[stacks.app]\nplace = {{ {} }}\n", places.join(", "))
}
