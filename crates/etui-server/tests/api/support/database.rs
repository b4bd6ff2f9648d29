//! Where the data of a server is: what `ETUI_TEST_STAGE` says, as in the stories.

use std::{fs, path::Path};

use etui_server::settings::{Given, Settings};
use sea_orm::{Database, DatabaseConnection};

use super::backing::{Backing, SETTINGS_FILE};

/// The settings of a server with nothing in it yet.
pub(crate) fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::in_folder(folder);
    Backing::of_environment().prepare(folder);
    let file = folder.join(SETTINGS_FILE);
    if file.is_file() {
        let given = Settings::resolve(Given::read(&file).unwrap()).unwrap();
        settings.database_url_file = given.database_url_file;
        settings.s3 = given.s3;
    }
    settings
}

/// Its database, from outside.
pub(crate) async fn connect(settings: &Settings) -> DatabaseConnection {
    let url = match &settings.database_url_file {
        Some(file) => fs::read_to_string(file).unwrap().trim().to_owned(),
        None => format!("sqlite://{}", settings.data.join("etui.db").display()),
    };
    Database::connect(url).await.unwrap()
}
