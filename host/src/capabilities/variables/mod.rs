//! `spin:variables`: the values a component was given. There is no client: they are known before
//! the first request.

use crate::instance::State;
use crate::manifest::Variables;
use std::sync::Arc;
use wasmtime::component::{Accessor, HasData, Linker};

mod generated {
    wasmtime::component::bindgen!({
        inline: "package talkif:variables-host; world imports { import spin:variables/variables@3.0.0; }",
        path: "../wit/deps/spin-variables-3.0.0",
    });
}

use generated::spin::variables::variables::{self, Error};

/// Adds the interface to `linker`.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    variables::add_to_linker::<State, Values>(linker, |state| View(Arc::clone(&state.grants.variables)))
}

struct Values;

struct View(Arc<Variables>);

impl HasData for Values {
    type Data<'a> = View;
}

impl variables::Host for View {}

impl<T> variables::HostWithStore<T> for Values {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, Error> {
        let values = accessor.with(|mut access| access.get().0);
        values
            .get(&name)
            .map(str::to_owned)
            .ok_or_else(|| Error::Undefined(format!("no variable for \"{name}\"")))
    }
}
