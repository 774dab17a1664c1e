//! What providers export: one `Guest` implementation for each interface, over any value of its trait.

pub mod exchange;
pub mod keystore;
pub mod log;
pub mod store;
#[cfg(feature = "transport")]
pub mod transport;

/// The one value behind a component's exports; implemented by the export macros.
#[doc(hidden)]
pub trait Slot {
    /// Store, keystore or transport.
    type Value;
    /// Lends it. Calls never overlap: a component instance is entered by one call at a time and a provider
    /// does not call its own exports.
    fn with<R>(use_it: impl FnOnce(&mut Self::Value) -> R) -> R;
}

/// A thread-local value of `$value` and the type `Component` that lends it.
#[doc(hidden)]
#[macro_export]
macro_rules! __slot {
    ($value:ty) => {
        ::std::thread_local! {
            static VALUE: ::std::cell::RefCell<$value> =
                ::std::cell::RefCell::new(<$value as ::core::default::Default>::default());
        }

        #[doc(hidden)]
        pub struct Component;

        impl $crate::export::Slot for Component {
            type Value = $value;
            fn with<R>(use_it: impl FnOnce(&mut $value) -> R) -> R {
                VALUE.with_borrow_mut(use_it)
            }
        }
    };
}
