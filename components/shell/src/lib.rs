//! What every component shares: Spin's Postgres, Redis, variables and clock behind the ports of
//! `talkif-api`, and the way from a Spin request to a router and back.
//!
//! Guests have one thread, but axum asks for futures that can change threads: everything of
//! Spin's is wrapped in `SendWrapper` here, and nowhere else. Connections and the router live as
//! long as the instance, which serves many requests, also at the same time.
//!
//! This crate knows no route and no statement. To bring another capability of the host: a port
//! in `talkif_api::ports`, its implementation here, one line in `instance`.

mod database;
mod instance;
mod patience;
mod redis;
mod system;
mod variables;

use axum::body::Body;
use http::Response;
use http_body_util::BodyDataStream;
use send_wrapper::SendWrapper;
use spin_sdk::http::Request;
use talkif_api::routes::Component;
use talkif_problem::Problem;
use tower_service::Service;

/// Answers `request` as `component`.
pub async fn serve(component: &'static Component, request: Request) -> Response<Body> {
    match instance::router(component).await {
        Ok(mut router) => {
            let (parts, body) = request.into_parts();
            let body = Body::from_stream(SendWrapper::new(BodyDataStream::new(body)));
            match router.call(http::Request::from_parts(parts, body)).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
        Err(error) => misconfigured(&error),
    }
}

fn misconfigured(error: &variables::BadVariable) -> Response<Body> {
    tracing::error!(%error, "the component is not configured");
    let (parts, text) = Problem::internal(error.to_string()).into_response("").into_parts();
    Response::from_parts(parts, Body::from(text))
}
