//! What calls use up, and how much of it a run may.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// What a call used up, or is expected to. Sums stay at the greatest number instead of overflowing.
///
/// Money is a whole number of millionths of whatever currency the program counts in: fractions do not add up exactly.
///
/// ```
/// use stepcast_core::Usage;
///
/// let usage = Usage::new(1_200, 300).with_cost_micros(4_500) + Usage::new(10, 0);
/// assert_eq!((usage.total_tokens(), usage.cost_micros), (1_510, 4_500));
/// assert_eq!(usage.to_string(), "1210 tokens in, 300 tokens out and 0.004500 of money");
/// assert_eq!(Usage::new(7, 3).to_string(), "7 tokens in and 3 tokens out");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens sent to a model.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens_in: u64,
    /// Tokens that a model gave.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens_out: u64,
    /// Money, in millionths of a unit.
    #[serde(skip_serializing_if = "is_zero")]
    pub cost_micros: u64,
}

impl Usage {
    /// So many tokens, and no money.
    pub const fn new(tokens_in: u64, tokens_out: u64) -> Self {
        Usage { tokens_in, tokens_out, cost_micros: 0 }
    }

    /// So much money, in millionths of a unit, and no tokens.
    pub const fn cost_micros(cost_micros: u64) -> Self {
        Usage { tokens_in: 0, tokens_out: 0, cost_micros }
    }

    /// The same, for so much money.
    #[must_use]
    pub const fn with_cost_micros(mut self, cost_micros: u64) -> Self {
        self.cost_micros = cost_micros;
        self
    }

    /// Tokens in both directions.
    pub const fn total_tokens(&self) -> u64 {
        self.tokens_in.saturating_add(self.tokens_out)
    }

    /// Whether nothing is used.
    pub const fn is_zero(&self) -> bool {
        self.tokens_in == 0 && self.tokens_out == 0 && self.cost_micros == 0
    }

    /// What is left of it without `other`.
    #[must_use]
    pub const fn saturating_sub(self, other: Usage) -> Usage {
        Usage {
            tokens_in: self.tokens_in.saturating_sub(other.tokens_in),
            tokens_out: self.tokens_out.saturating_sub(other.tokens_out),
            cost_micros: self.cost_micros.saturating_sub(other.cost_micros),
        }
    }

    /// The greater of both, number by number.
    #[must_use]
    pub fn max(self, other: Usage) -> Usage {
        Usage {
            tokens_in: self.tokens_in.max(other.tokens_in),
            tokens_out: self.tokens_out.max(other.tokens_out),
            cost_micros: self.cost_micros.max(other.cost_micros),
        }
    }
}

impl Add for Usage {
    type Output = Usage;

    fn add(self, other: Usage) -> Usage {
        Usage {
            tokens_in: self.tokens_in.saturating_add(other.tokens_in),
            tokens_out: self.tokens_out.saturating_add(other.tokens_out),
            cost_micros: self.cost_micros.saturating_add(other.cost_micros),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        *self = *self + other;
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Usage>>(usages: I) -> Usage {
        usages.fold(Usage::default(), Add::add)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { tokens_in, tokens_out, cost_micros } = *self;
        let parts = [
            (tokens_in > 0).then(|| format!("{tokens_in} tokens in")),
            (tokens_out > 0).then(|| format!("{tokens_out} tokens out")),
            (cost_micros > 0).then(|| format!("{} of money", Money(cost_micros))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match &parts[..] {
            [] => f.write_str("nothing"),
            [only] => f.write_str(only),
            [rest @ .., last] => write!(f, "{} and {last}", rest.join(", ")),
        }
    }
}

/// How much a run may use up, with all of its children. What has no bound is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Budget {
    /// Tokens, in both directions together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Money, in millionths of a unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_micros: Option<u64>,
}

impl Budget {
    /// No bounds.
    pub const fn new() -> Self {
        Budget { tokens: None, cost_micros: None }
    }

    /// At most so many tokens.
    #[must_use]
    pub const fn tokens(mut self, tokens: u64) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// At most so much money, in millionths of a unit.
    #[must_use]
    pub const fn cost_micros(mut self, cost_micros: u64) -> Self {
        self.cost_micros = Some(cost_micros);
        self
    }

    /// What is left of it once so much is spent.
    #[must_use]
    pub fn after(&self, spent: Usage) -> Budget {
        Budget {
            tokens: self.tokens.map(|tokens| tokens.saturating_sub(spent.total_tokens())),
            cost_micros: self.cost_micros.map(|cost| cost.saturating_sub(spent.cost_micros)),
        }
    }

    /// Whether so much may be spent of it.
    pub fn covers(&self, asked: Usage) -> bool {
        self.tokens.is_none_or(|tokens| asked.total_tokens() <= tokens)
            && self.cost_micros.is_none_or(|cost| asked.cost_micros <= cost)
    }

    /// Whether something that is bounded is used up.
    pub fn is_used_up(&self) -> bool {
        self.tokens == Some(0) || self.cost_micros == Some(0)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.tokens, self.cost_micros) {
            (None, None) => f.write_str("no bound"),
            (Some(tokens), None) => write!(f, "{tokens} tokens"),
            (None, Some(cost)) => write!(f, "{} of money", Money(cost)),
            (Some(tokens), Some(cost)) => write!(f, "{tokens} tokens and {} of money", Money(cost)),
        }
    }
}

/// Millionths as a decimal number.
struct Money(u64);

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
