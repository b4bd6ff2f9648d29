//! Handlers, all of one type. The library makes each type of handler into a route when the server starts, by code that lies beside
//! the handler's own: hundreds of places all over the program would be in memory before anybody has asked for anything.

use std::{pin::Pin, sync::Arc};

use axum::{extract::Request, handler::Handler, response::Response};

use crate::app::App;

/// What a handler does.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Any handler, behind a pointer.
#[derive(Clone)]
pub(crate) struct AnyHandler(Arc<dyn Fn(Request, Arc<App>) -> Answer + Send + Sync>);

/// The handler, whichever it is.
pub(crate) fn any<T: 'static>(handler: impl Handler<T, Arc<App>, Future = Answer>) -> AnyHandler {
    AnyHandler(Arc::new(move |request, app| handler.clone().call(request, app)))
}

impl Handler<(), Arc<App>> for AnyHandler {
    type Future = Answer;

    fn call(self, request: Request, app: Arc<App>) -> Answer {
        (self.0)(request, app)
    }
}
