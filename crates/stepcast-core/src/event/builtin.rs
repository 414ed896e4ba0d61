//! Implements `Event` and the typetag form for the events this crate itself defines; users have `#[event]`.

macro_rules! builtin_event {
    ($name:ident, $role:ident, [$($field:literal),*]) => {
        impl $crate::Event for $name {
            const META: $crate::EventMeta = $crate::EventMeta::new::<$name>($crate::EventIdent {
                tag: stringify!($name),
                type_name: stringify!($name),
                qualified_name: concat!("stepcast::", stringify!($name)),
                location: concat!(file!(), ":", line!()),
                role: $crate::Role::$role,
                fields: &[$($field),*],
                secret: &[],
            });
        }

        #[typetag::serde]
        impl $crate::DynEvent for $name {
            fn to_any_event(&self) -> $crate::AnyEvent {
                $crate::AnyEvent::new(self.clone())
            }
        }
    };
}

pub(super) use builtin_event;
