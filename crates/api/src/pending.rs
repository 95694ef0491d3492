#![allow(missing_docs, unreachable_pub)]
pub mod routing {
    use talkif_model::flow::FlowMatch;
    pub struct LeadFacts<'a> { pub source: Option<&'a str>, pub campaign: Option<&'a str>, pub intent: Option<&'a str>, pub language: Option<&'a str> }
    fn score(m: &FlowMatch, l: &LeadFacts<'_>) -> Option<usize> {
        let mut s = 0;
        for (list, v) in [(&m.source, l.source), (&m.campaign, l.campaign), (&m.intent, l.intent), (&m.language, l.language)] {
            if list.is_empty() { continue; }
            if v.is_some_and(|v| list.iter().any(|x| x == v)) { s += 1 } else { return None }
        }
        Some(s)
    }
    pub fn choose<'a, T>(flows: impl Iterator<Item = (&'a FlowMatch, T)>, l: &LeadFacts<'_>) -> Option<T> {
        flows.filter_map(|(m, t)| score(m, l).map(|s| (s, t))).reduce(|a, b| if b.0 > a.0 { b } else { a }).map(|x| x.1)
    }
}
pub mod net {
    use std::net::IpAddr;
    pub fn is_public(a: IpAddr) -> bool {
        match a.to_canonical() {
            IpAddr::V4(v) => !(v.is_private() || v.is_loopback() || v.is_link_local() || v.is_unspecified()),
            IpAddr::V6(v) => !(v.is_loopback() || v.is_unique_local() || v.is_unicast_link_local() || v.is_unspecified()),
        }
    }
}
pub mod rate {
    pub const SCRIPT: &str = "local tat = tonumber(redis.call('GET', KEYS[1]) or '0') local now=tonumber(ARGV[1]) local e=tonumber(ARGV[2]) local b=tonumber(ARGV[3]) if tat<now then tat=now end if tat-now > b then return {0, tat-now-b} end redis.call('SET', KEYS[1], string.format('%d', tat+e), 'PX', math.ceil((tat+e-now)/1000)+1) return {1,0}";
    pub struct L; pub const LEADS: L = L;
    impl L { pub fn args(&self, now_us: i64) -> Vec<String> { vec![now_us.to_string(), "500000".into(), "120000000".into()] } }
}
