//! How many requests each caller may send in a while.

use std::net::IpAddr;
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

/// The most callers that are counted one by one; what is not counted for itself shares one account.
const BOUND: usize = 65_536;

/// So many requests, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) burst: f64,
}

/// Whose account a request is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Payer {
    /// The holders of one token, by its place among the tokens.
    Token(usize),
    /// Those at one address.
    Peer(IpAddr),
    /// All others.
    Unknown,
}

impl Payer {
    /// By the peer's address. One subscriber of IPv6 has a whole /64.
    pub(crate) fn at(address: Option<IpAddr>) -> Payer {
        match address {
            None => Payer::Unknown,
            Some(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
                Payer::Peer(IpAddr::from((address.to_bits() >> 64 << 64).to_be_bytes()))
            }
            Some(address) => Payer::Peer(address.to_canonical()),
        }
    }
}

/// What is left to each caller: a token bucket each.
#[derive(Debug)]
pub(crate) struct RateLimit {
    rate: Rate,
    buckets: DashMap<Payer, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl RateLimit {
    pub(crate) fn new(rate: Rate) -> Self {
        RateLimit { rate, buckets: DashMap::new() }
    }

    /// Counts a request, or says after how long there is room for one.
    pub(crate) fn take(&self, payer: Payer) -> Result<(), Duration> {
        let now = Instant::now();
        let known = self.buckets.contains_key(&payer);
        if !known && self.buckets.len() >= BOUND {
            // A full account says nothing that a new one would not.
            self.buckets.retain(|_, bucket| self.filled(*bucket, now) < self.rate.burst);
        }
        let payer = if known || self.buckets.len() < BOUND { payer } else { Payer::Unknown };
        let mut bucket = self.buckets.entry(payer).or_insert(Bucket { left: self.rate.burst, at: now });
        let left = self.filled(*bucket, now);
        *bucket = Bucket { left, at: now };
        if left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - left) / self.rate.per_second));
        }
        bucket.left = left - 1.0;
        Ok(())
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let grown = now.saturating_duration_since(bucket.at).as_secs_f64() * self.rate.per_second;
        (bucket.left + grown).min(self.rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> Payer {
        Payer::at(Some(IpAddr::from(number.to_be_bytes())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_sends_too_much_waits_and_no_other_does() {
        let limit = RateLimit::new(Rate { per_second: 2.0, burst: 3.0 });
        for _ in 0..3 {
            assert_eq!(limit.take(peer(1)), Ok(()));
        }
        assert_eq!(limit.take(peer(1)), Err(Duration::from_millis(500)));
        assert_eq!(limit.take(peer(2)), Ok(()));
        assert_eq!(limit.take(Payer::Token(0)), Ok(()));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(limit.take(peer(1)), Ok(()));
        assert_eq!(limit.take(peer(1)), Err(Duration::from_millis(500)));
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!((0..10).filter(|_| limit.take(peer(1)).is_ok()).count(), 3, "no more than the burst piles up");
    }

    #[tokio::test(start_paused = true)]
    async fn any_number_of_callers_takes_bounded_memory() {
        let limit = RateLimit::new(Rate { per_second: 1.0, burst: 1.0 });
        for number in 0..BOUND as u32 + 100 {
            let _ = limit.take(peer(number));
        }
        assert!(limit.buckets.len() <= BOUND + 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(limit.take(peer(u32::MAX)), Ok(()));
        assert!(limit.buckets.len() < 10, "{}", limit.buckets.len());
    }

    #[test]
    fn addresses_of_one_subscriber_are_one() {
        let at = |text: &str| Payer::at(text.parse().ok());
        assert_eq!(at("2001:db8::1"), at("2001:db8::2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
    }
}
