//! The auth component: API keys.
//!
//! It only connects Spin to the `auth` routes of `talkif-api`; to change what they do, go there.

use spin_sdk::http::{IntoResponse, Request};
use talkif_api::routes::AUTH;

#[spin_sdk::http_service]
async fn serve(request: Request) -> impl IntoResponse {
    talkif_shell::serve(&AUTH, request).await
}
