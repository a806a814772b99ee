//! Facts about popular images, by the last part of their name: `postgres` also matches `docker.io/library/postgres` and
//! `ghcr.io/user/postgres`, but not `postgres-exporter`.
use super::image::Reference;
use landfast_compose::model::Service;

/// Images that store data or state for other services.
const DATABASES: &str = "\
    arangodb cassandra clickhouse clickhouse-server cockroach consul couchbase couchdb crate db2 dgraph \
    dragonfly elasticsearch etcd firebird foundationdb garnet immudb influxdb kafka keydb mariadb \
    mariadb-galera memcached meilisearch milvus mongo mongodb mongodb-community-server mssql mysql \
    mysql-server nats neo4j opensearch oracle-free percona percona-server pgvector pgvecto-rs postgis \
    postgres postgresql qdrant questdb rabbitmq redis redis-stack-server rethinkdb timescaledb valkey \
    zookeeper \
    cp-kafka cp-zookeeper mysql-cluster oracle-xe redis-stack redpanda scylla surrealdb \
    timescaledb-ha typesense weaviate";

/// Ports that only databases use, to recognise databases by unknown images.
const DATABASE_PORTS: &[u32] =
    &[1433, 1521, 2379, 2380, 3306, 5432, 5984, 6379, 7687, 9042, 9092, 11211, 26257, 27017, 28015, 33060];

/// Images that never run as root, or whose entry point switches to another user.
const NOT_ROOT: &str = "\
    alertmanager apicurio-registry authelia blackbox-exporter cassandra clickhouse clickhouse-server \
    cockroach consul couchdb elasticsearch gitea-rootless grafana haproxy influxdb jenkins kafka \
    keycloak keydb kibana kong loki mailpit mariadb memcached metabase mongo mongo-express mysql \
    mysqld-exporter n8n neo4j node-exporter opensearch opensearch-dashboards otel-collector \
    otel-collector-contrib percona pgbouncer postgis postgres postgres-exporter postgrest prometheus \
    promtail pushgateway rabbitmq redis redis_exporter tempo timescaledb valkey zookeeper";

/// Images that work with a read-only root, and the folders that must be in memory then.
const READ_ONLY: &[(&str, &[&str])] = &[
    ("alertmanager", &[]),
    ("caddy", &["/tmp"]),
    ("coredns", &[]),
    ("etcd", &[]),
    ("grafana", &["/tmp"]),
    ("haproxy", &["/tmp"]),
    ("loki", &["/tmp"]),
    ("mariadb", &["/tmp", "/run/mysqld"]),
    ("memcached", &[]),
    ("mongo", &["/tmp"]),
    ("mysql", &["/tmp", "/var/run/mysqld"]),
    ("nats", &[]),
    ("nginx", &["/var/cache/nginx", "/var/run"]),
    ("node-exporter", &[]),
    ("postgis", &["/tmp", "/var/run/postgresql"]),
    ("postgres", &["/tmp", "/var/run/postgresql"]),
    ("prometheus", &[]),
    ("promtail", &["/tmp"]),
    ("pushgateway", &[]),
    ("redis", &[]),
    ("traefik", &["/tmp"]),
    ("valkey", &[]),
];

/// Images of socket proxies, which allow some requests to the engine socket.
const SOCKET_PROXIES: &str = "docker-socket-proxy socket-proxy docker-proxy";

/// Images that route requests to the containers of their engine.
const ROUTERS: &str = "\
    acme-companion caddy-docker-proxy docker-gen docker-letsencrypt-nginx-proxy-companion \
    letsencrypt-nginx-proxy-companion nginx-proxy sablier traefik";

/// Images that watch, restart, update or read the containers of their engine.
const WATCHERS: &str = "\
    alloy autoheal beszel-agent cadvisor datadog-agent deunhealth diun docker-autoheal docker-events-notifier docker-gc \
    docker-volume-backup dockge dozzle filebeat fluent-bit glances grafana-agent homarr homepage lazytainer logspout metricbeat \
    netdata ofelia ouroboros portainer portainer-ce portainer-ee promtail swarm-cronjob telegraf vector watchtower whatsupdocker \
    wud yacht";

/// What a service does with the containers of its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watcher {
    /// It routes requests to them.
    Router,
    /// Anything else.
    Other,
}

/// What the service does with the containers that its engine reports, by its image.
pub(super) fn watcher(service: &Service) -> Option<Watcher> {
    let name = reference(service)?.name();
    match () {
        () if listed(ROUTERS, name) => Some(Watcher::Router),
        () if listed(WATCHERS, name) => Some(Watcher::Other),
        () => None,
    }
}

fn reference(service: &Service) -> Option<Reference<'_>> {
    service.image.as_deref().map(Reference::parse)
}

/// Whether the service is a database, by its image.
pub(super) fn is_database(service: &Service) -> bool {
    reference(service).is_some_and(|image| {
        // The image of Microsoft's server is named by its namespace.
        listed(DATABASES, image.name()) || image.repository.ends_with("mssql/server")
    })
}

fn listed(names: &str, name: &str) -> bool {
    names.split_whitespace().any(|listed| listed == name)
}

/// Whether a container's port is one that databases listen on.
pub(super) fn is_database_port(port: u32) -> bool {
    DATABASE_PORTS.contains(&port)
}

/// Whether the image is known not to run as root.
pub(super) fn leaves_root(service: &Service) -> bool {
    reference(service).is_some_and(|image| {
        let says_so =
            |text: &str| text.contains("nonroot") || text.contains("rootless") || text.contains("unprivileged");
        listed(NOT_ROOT, image.name())
            || image.is_of("bitnami")
            || image.is_of("bitnamilegacy")
            || image.is_of("linuxserver")
            || says_so(image.name())
            || image.tag.is_some_and(says_so)
    })
}

/// Folders that must be in memory with a read-only root, if the image is known to work with one.
pub(super) fn read_only_with(service: &Service) -> Option<&'static [&'static str]> {
    let name = reference(service)?.name();
    READ_ONLY.iter().find(|(known, _)| *known == name).map(|(_, folders)| *folders)
}

/// Whether the image is a socket proxy.
pub(super) fn is_socket_proxy(service: &Service) -> bool {
    reference(service).is_some_and(|image| listed(SOCKET_PROXIES, image.name()))
}
