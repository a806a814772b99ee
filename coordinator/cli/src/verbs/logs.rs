//! `landfast logs`: prints the logs of services, sorted by time.

mod lines;
mod moment;

use futures::future::{self, join_all};
use futures::stream::{self, BoxStream, StreamExt as _};
use landfast_core::deployment::InstanceName;
use landfast_proto::v1::{LogsRequest, LogsResponse};

use crate::contract::LogLine;
use crate::output::{self, Reader};
use landfast_engine::connect::{Agent, Agents};
use landfast_engine::observe::InstanceStatus;
use landfast_engine::wire::problem;

use crate::{CliError, Context, Exit};
use lines::{Line, Lines};

#[derive(Debug, clap::Args)]
pub struct LogsArguments {
    /// Names as `service`, `stack`, `stack/service` or `stack/service.1`; all instances when none is named
    #[arg(value_name = "SERVICE")]
    pub names: Vec<String>,
    /// Follow the output: keep printing new lines
    #[arg(short, long)]
    pub follow: bool,
    /// Print only the last N lines of each instance, or `all`
    #[arg(short = 'n', long, value_name = "N", value_parser = tail)]
    pub tail: Option<Tail>,
    /// Print only lines since this time, such as `10m` (ago) or `2026-11-20T12:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub since: Option<i64>,
    /// Print the time of each line
    #[arg(short, long)]
    pub timestamps: bool,
    /// Print lines without the name of the instance
    #[arg(long)]
    pub no_log_prefix: bool,
}

/// Number of lines to print for each instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    All,
    Last(u64),
}

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" | "-1" => Ok(Tail::All),
        text => text.parse().map(Tail::Last).map_err(|_| "use a number or `all`".to_owned()),
    }
}

pub(super) async fn run(context: &Context, args: LogsArguments) -> Result<Exit, CliError> {
    let json = context.json()?;
    let engine = context.engine(&[])?;
    let (status, agents) = engine.status().await?;
    context.warn_of(&status);
    let chosen =
        status.instances.iter().filter(|one| args.names.is_empty() || args.names.iter().any(|name| named(one, name)));
    let mut chosen = chosen.filter(|one| !one.container_id.is_empty()).collect::<Vec<_>>();
    // A host with two containers of one instance has the lines of the newest one.
    chosen.dedup_by_key(|one| (&one.instance, &one.host));
    if chosen.is_empty() && !args.names.is_empty() {
        let hint = "`landfast ps` lists the instances";
        return Err(CliError::usage(format!("there is no stack or service {}", args.names.join(" or ")), hint));
    }
    let printer = Printer {
        width: chosen.iter().map(|one| one.instance.len()).max().unwrap_or(0),
        json,
        timestamps: args.timestamps,
        prefix: !args.no_log_prefix,
    };
    let streams = open(context, &agents, &chosen, &args).await;
    let mut lines = if args.follow { as_they_come(streams) } else { in_order(streams) };
    // Ctrl-C ends the process at once, because there is nothing to clean up.
    while let Some(line) = lines.next().await {
        let reader = output::stream(&printer.text(&line))?;
        // With --follow, the command would otherwise run forever without a reader.
        if reader == Reader::Gone {
            break;
        }
    }
    Ok(Exit::Done)
}

fn named(instance: &InstanceStatus, name: &str) -> bool {
    let InstanceStatus { stack, service, instance, .. } = instance;
    name == stack || name == service || name == instance || name.split_once('/') == Some((stack, service))
}

/// Opens the logs of all instances at once. An instance whose logs cannot be opened is left out with a warning.
async fn open(
    context: &Context,
    agents: &Agents,
    chosen: &[&InstanceStatus],
    args: &LogsArguments,
) -> Vec<BoxStream<'static, Line>> {
    let asked = chosen.iter().map(async |instance| {
        let agent = agents.get(&instance.host)?;
        match ask(agent, &instance.instance, args).await {
            Ok(lines) => Some(lines),
            Err(problem) => {
                context.printer.warn(&format!("{} on {}: {problem}", instance.instance, instance.host));
                None
            }
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn ask(agent: &Agent, instance: &str, args: &LogsArguments) -> Result<BoxStream<'static, Line>, String> {
    let InstanceName { stack, service, index } = instance.parse::<InstanceName>().map_err(|error| error.to_string())?;
    let tail = match args.tail {
        Some(Tail::Last(lines)) => Some(lines),
        Some(Tail::All) | None => None,
    };
    let request = LogsRequest { stack, service, index, follow: args.follow, tail, since: args.since };
    let answer = agent.agent().logs(request).await.map_err(|status| problem(&status))?;
    let name = instance.to_owned();
    let parts = answer.into_inner().map(Some).chain(stream::iter([None]));
    // `None` marks the end, so that a last line without its line end is printed too.
    let lines = parts.scan(Lines::of(name), |lines, part: Option<Result<LogsResponse, tonic::Status>>| {
        let ready = match part {
            Some(Ok(part)) => lines.add(&part),
            Some(Err(status)) => lines.broken(status.message()),
            None => lines.rest(),
        };
        future::ready(Some(stream::iter(ready)))
    });
    Ok(lines.flatten().boxed())
}

fn as_they_come(streams: Vec<BoxStream<'static, Line>>) -> BoxStream<'static, Line> {
    stream::select_all(streams).boxed()
}

/// Merges streams by time. Each stream must be sorted; the oldest of their next lines is returned first.
fn in_order(streams: Vec<BoxStream<'static, Line>>) -> BoxStream<'static, Line> {
    let heads = streams.into_iter().map(|lines| lines.peekable()).map(Box::pin).collect::<Vec<_>>();
    stream::unfold(heads, |mut heads| async move {
        let mut oldest = None;
        for (index, head) in heads.iter_mut().enumerate() {
            if let Some(line) = head.as_mut().peek().await
                && oldest.is_none_or(|(time, _)| line.time < time)
            {
                oldest = Some((line.time, index));
            }
        }
        let (_, index) = oldest?;
        let line = heads[index].next().await?;
        Some((line, heads))
    })
    .boxed()
}

/// Format of the printed lines.
struct Printer {
    width: usize,
    json: bool,
    timestamps: bool,
    prefix: bool,
}

impl Printer {
    fn text(&self, line: &Line) -> String {
        let time = jiff::Timestamp::from_nanosecond(line.time.into()).ok().filter(|_| line.time > 0);
        let time = time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()).unwrap_or_default();
        if self.json {
            let object = LogLine { instance: &line.instance, stream: line.stream, time: &time, line: &line.text };
            let object = serde_json::to_string(&object).expect("text serializes");
            return format!("{object}\n");
        }
        let prefix =
            if self.prefix { format!("{:width$} | ", line.instance, width = self.width) } else { String::new() };
        let time = if self.timestamps { format!("{time} ") } else { String::new() };
        format!("{prefix}{time}{}\n", output::escape::lines(&line.text))
    }
}
