//! `flytoken minted`: every token that was minted, by the name that it has at Fly.

use super::{Context, unexpected};
use crate::{
    cli::Minted,
    output::{Moments, Paint, Table, json},
    plain,
    protocol::{Failure, MintReport, Reply, Request},
};

pub(super) fn run(minted: &Minted, context: &Context) -> Result<(), Failure> {
    let Reply::Minted { mints, charged, budget } = context.ask(Request::Minted)? else { return Err(unexpected()) };
    if minted.json {
        let mints = mints.iter().map(Into::into).collect();
        return context.output.print_json(&json::Minted { mints, charged, budget });
    }
    context.output.print(&text(&mints, charged, budget, context.output.paint(), &context.moments()))
}

fn text(mints: &[MintReport], charged: u64, budget: u64, paint: Paint, moments: &Moments) -> String {
    let budget = format!("{charged} of {budget} mints in the last hour\n");
    if mints.is_empty() {
        return format!("Nothing was minted.\n\n{budget}");
    }
    let mut table = Table::new(paint, ["NAME", "APP", "KIND", "SOURCE", "MINTED", "UNTIL", "CACHED", "REVOKED"]);
    for mint in mints {
        table.row([
            plain::line(&mint.name),
            mint.app.to_string(),
            mint.kind.to_string(),
            plain::line(&mint.source),
            moments.both(mint.at),
            moments.both(mint.until),
            if mint.cached { paint.good("yes") } else { "no".into() },
            revoked(mint, paint, moments),
        ]);
    }
    format!("{}\n{budget}", table.lines())
}

fn revoked(mint: &MintReport, paint: Paint, moments: &Moments) -> String {
    match (mint.revoked, &mint.revoke_error) {
        (Some(at), _) => moments.both(at),
        (None, Some(why)) => format!("{}: {}", paint.bad("failed"), plain::line(why)),
        (None, None) => "no".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::{app::AppName, kind::Kind, time::Timestamp};

    #[test]
    fn each_mint_has_its_line_and_the_budget_stands_below() {
        let now = Timestamp::from_seconds(1_700_000_000);
        let mint = MintReport {
            name: "flytoken-web-deploy-00c0ffee0000".into(),
            app: AppName::parse("web").unwrap(),
            kind: Kind::Deploy,
            source: "cli".into(),
            at: now.before(Duration::from_mins(3)),
            until: now.after(Duration::from_mins(50)),
            cached: true,
            revoked: None,
            revoke_error: None,
        };
        let failed = MintReport { cached: false, revoke_error: Some("Fly still\nlists it".into()), ..mint.clone() };
        let revoked = MintReport { cached: false, revoked: Some(now.before(Duration::from_mins(1))), ..mint.clone() };
        let expected = "\
NAME                              APP  KIND    SOURCE  MINTED             UNTIL              CACHED  REVOKED
flytoken-web-deploy-00c0ffee0000  web  deploy  cli     22:10 (3 min ago)  23:03 (in 50 min)  yes     no
flytoken-web-deploy-00c0ffee0000  web  deploy  cli     22:10 (3 min ago)  23:03 (in 50 min)  no      failed: Fly still\\nlists it
flytoken-web-deploy-00c0ffee0000  web  deploy  cli     22:10 (3 min ago)  23:03 (in 50 min)  no      22:12 (60 s ago)

1 of 60 mints in the last hour
";
        let moments = Moments::at(now, TimeZone::UTC);
        assert_eq!(text(&[mint, failed, revoked], 1, 60, Paint::new(false), &moments), expected);
        assert_eq!(text(&[], 0, 60, Paint::new(false), &moments), "Nothing was minted.\n\n0 of 60 mints in the last hour\n");
    }
}
