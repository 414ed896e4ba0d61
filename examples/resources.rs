//! Resources: what steps ask for with `Res<T>`, made once by factories that may need each other.

use std::sync::atomic::{AtomicU32, Ordering};

use stepcast::prelude::*;
use stepcast::{ResourceScope, Resources};

struct Config {
    region: &'static str,
}

/// Stands for a client or a pool: one per container, shared by every run that uses it.
struct Weather {
    region: &'static str,
    calls: AtomicU32,
}

impl Weather {
    async fn forecast(&self, city: &str) -> String {
        self.calls.fetch_add(1, Ordering::Relaxed);
        format!("{city} ({}): sunny", self.region)
    }
}

#[event(start)]
struct City {
    name: String,
}

#[event(stop)]
struct Forecast {
    text: String,
}

#[step]
async fn look_up(city: City, weather: Res<Weather>) -> Forecast {
    Forecast { text: weather.forecast(&city.name).await }
}

flow!(Lookup: City => Forecast { look_up });

async fn connect(scope: ResourceScope) -> Result<Weather> {
    let config = scope.get::<Config>().await?;
    println!("connecting to {}", config.region);
    Ok(Weather { region: config.region, calls: AtomicU32::new(0) })
}

#[tokio::main]
async fn main() -> Result<()> {
    let resources = Resources::new().value(Config { region: "eu" }).factory(connect);
    for name in ["Porto", "Turku"] {
        let options = RunOptions::new().resources(resources.clone());
        println!("{}", Lookup.run_with(City { name: name.to_owned() }, options).await?.text);
    }

    // A test replaces what it wants to; everything that depends on it is made anew.
    let for_tests = resources.clone().value(Config { region: "test" });
    let options = RunOptions::new().resources(for_tests);
    println!("{}", Lookup.run_with(City { name: "Oslo".to_owned() }, options).await?.text);

    // What is missing is found before the first step starts, with the name of who needs it.
    let error = Lookup.run(City { name: "Rome".to_owned() }).await.err().map(|error| error.to_string());
    println!("{}", error.unwrap_or_default());

    // In a unit test a step is an ordinary function.
    let weather = Res::new(Weather { region: "unit", calls: AtomicU32::new(0) });
    println!("{}", look_up(City { name: "Bern".to_owned() }, weather.clone()).await.text);
    println!("{} call", weather.calls.load(Ordering::Relaxed));
    Ok(())
}
