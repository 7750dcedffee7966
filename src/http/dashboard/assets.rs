//! The stylesheet, the script and the pictures: built into the binary, under names with a hash of their content, so that
//! browsers may keep them for ever.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _, guard,
    http::{StatusCode, header},
    middleware::Compress,
    web::{self, Data},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{look::PortalLook, response};
use crate::http::{Api, problem::Problem};

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &[u8] = include_bytes!("assets/app.js");
const ICON: &[u8] = include_bytes!("assets/icon.svg");

/// One file.
struct Asset {
    path: String,
    media_type: &'static str,
    bytes: Bytes,
}

impl Asset {
    fn new(name: &str, extension: &str, media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let digest = Sha256::digest(&bytes);
        let hash: String =
            format!("{:012x}", digest.iter().take(6).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte)));
        Self { path: format!("/assets/{name}.{hash}.{extension}"), media_type, bytes }
    }
}

/// All files.
pub struct Assets {
    style: Asset,
    script: Asset,
    icon: Asset,
    logo: Option<Asset>,
}

impl Assets {
    /// The files, with what the flags add to them.
    pub fn new(look: &PortalLook) -> Self {
        let accent = look.accent.as_ref().map(super::look::Accent::rules).unwrap_or_default();
        Self {
            style: Asset::new("style", "css", "text/css; charset=utf-8", format!("{STYLE}{accent}")),
            script: Asset::new("app", "js", "text/javascript; charset=utf-8", SCRIPT),
            icon: Asset::new("icon", "svg", "image/svg+xml", ICON),
            logo: look
                .logo
                .as_ref()
                .map(|logo| Asset::new("logo", logo.extension, logo.media_type, logo.bytes.clone())),
        }
    }

    /// The path of the stylesheet.
    pub fn style(&self) -> &str {
        &self.style.path
    }

    /// The path of the script.
    pub fn script(&self) -> &str {
        &self.script.path
    }

    /// The path of the icon.
    pub fn icon(&self) -> &str {
        &self.icon.path
    }

    /// The path of the platform's logo.
    pub fn logo(&self) -> Option<&str> {
        self.logo.as_ref().map(|logo| &*logo.path)
    }

    fn find(&self, path: &str) -> Option<&Asset> {
        [&self.style, &self.script, &self.icon].into_iter().chain(&self.logo).find(|asset| asset.path == path)
    }
}

/// Adds the files' route.
pub fn configure(config: &mut web::ServiceConfig) {
    let route = web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(serve);
    config.service(web::resource("/assets/{file}").wrap(Compress::default()).route(route));
}

async fn serve(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let Some(asset) = api.assets().find(request.path()) else { return Problem::not_found("file").error_response() };
    response::builder(StatusCode::OK)
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .content_type(asset.media_type)
        .body(asset.bytes.clone())
}
