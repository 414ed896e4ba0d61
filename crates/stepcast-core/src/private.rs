//! The names that the macros' code uses. Not part of the public interface; it changes with the macros.

pub use crate::catalogue::{CreateProbe, NotDefault, create_workflow};
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
