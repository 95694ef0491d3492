//! The leads component: leads and lists.
//!
//! It only connects Spin to the `leads` routes of `talkif-api`; to change what they do, go there.

use spin_sdk::http::{IntoResponse, Request};
use talkif_api::routes::LEADS;

#[spin_sdk::http_service]
async fn serve(request: Request) -> impl IntoResponse {
    talkif_shell::serve(&LEADS, request).await
}
