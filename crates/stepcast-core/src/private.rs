//! The names that the macros' code uses. Not part of the public interface; it changes with the macros.

pub use crate::catalogue::{CreateProbe, NotDefault, create_workflow};
pub use crate::check::Report;
pub use crate::event::flat_probe::{FlatProbe, NotFlat};
pub use crate::event::schema_probe::{NoSchema, SchemaProbe};
pub use crate::state_cell::State;
pub use crate::step::{assert_params, run_async, run_blocking};
pub use crate::*;
pub use std::time::Duration;
pub use {erased_serde, inventory, serde, serde_json, typetag};

/// Decodes an event for typetag's registry.
///
/// # Errors
/// When the data does not fit the type.
pub fn decode_dyn<E: Event + DynEvent>(
    deserializer: &mut dyn erased_serde::Deserializer<'_>,
) -> Result<Box<dyn DynEvent + Send + Sync>, erased_serde::Error> {
    erased_serde::deserialize::<E>(deserializer).map(|event| Box::new(event) as _)
}

/// What a variant of a `#[derive(Events)]` enum holds, when the enum is a parameter. The lifetime keeps the compiler from
/// refusing the bound at once where the variant holds something that only a return value can be.
pub trait UnionMember<'any>: EventInput {}

impl<T: EventInput> UnionMember<'_> for T {}

/// Stops the compiler with what is wrong with this step, if anything.
#[track_caller]
pub const fn assert_step<const N: usize>(report: &Report<N>, step: usize) {
    if let Some(text) = report.step_fault(step) {
        panic!("{}", text.as_str());
    }
}

/// Stops the compiler with what is wrong with the workflow as a whole, if anything.
#[track_caller]
pub const fn assert_start<const N: usize>(report: &Report<N>) {
    if let Some(text) = report.start_fault() {
        panic!("{}", text.as_str());
    }
}

/// Stops the compiler with what is wrong with the workflow's end, if anything.
#[track_caller]
pub const fn assert_stop<const N: usize>(report: &Report<N>) {
    if let Some(text) = report.stop_fault() {
        panic!("{}", text.as_str());
    }
}

/// What `#[typetag::serde(name = ..)]` would write, for a name that is not a literal (it holds `module_path!()`),
/// together with the event's entry in the catalogue.
#[doc(hidden)]
#[macro_export]
macro_rules! __register_event {
    ($event:ty, $name:expr) => {
        impl $crate::__private::DynEvent for $event {
            fn to_any_event(&self) -> $crate::__private::AnyEvent {
                $crate::__private::AnyEvent::new(::core::clone::Clone::clone(self))
            }

            fn typetag_name(&self) -> &'static str {
                $name
            }

            fn typetag_deserialize(&self) {}
        }

        $crate::__private::inventory::submit! {
            <dyn $crate::__private::DynEvent>::typetag_register(
                $name,
                $crate::__private::decode_dyn::<$event>
                    as fn(
                        &mut dyn $crate::__private::erased_serde::Deserializer<'_>,
                    ) -> ::core::result::Result<
                        ::std::boxed::Box<
                            dyn $crate::__private::DynEvent + ::core::marker::Send + ::core::marker::Sync,
                        >,
                        $crate::__private::erased_serde::Error,
                    >,
            )
        }

        $crate::__private::inventory::submit! {
            $crate::__private::CatalogueEvent { meta: &<$event as $crate::__private::Event>::META }
        }
    };
}

pub use crate::__register_event as register_event;

/// The `schema` of an event: its own `JsonSchema`, where it has one. Without the feature nothing is written.
#[cfg(feature = "schemars")]
#[doc(hidden)]
#[macro_export]
macro_rules! __event_schema {
    () => {
        fn schema() -> ::core::option::Option<$crate::__private::serde_json::Value> {
            #[allow(unused_imports)]
            use $crate::__private::NoSchema as _;
            $crate::__private::SchemaProbe::<Self>::schema()
        }
    };
}

/// The `schema` of an event: its own `JsonSchema`, where it has one. Without the feature nothing is written.
#[cfg(not(feature = "schemars"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __event_schema {
    () => {};
}

pub use crate::__event_schema as event_schema;
