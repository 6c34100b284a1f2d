//! Graphs that everybody knows, by name, for tasks over nodes: found among the user's files of data, by their hashes.

use plugin_api::prelude::*;
use plugin_api::{DataFile, data_file, schemars, serde};

use crate::data::npz::{Array, Npz};
use crate::data::own_path::OwnFile;

/// Which graph.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
pub(crate) enum Data {
    /// One of your own, in this file. A relative path begins in the folder in which pleach runs.
    File(OwnFile),
    /// Computers that are bought together: 13,752 nodes, 767 features, 10 classes (Shchur et al. 2018).
    AmazonCs,
    /// Photo equipment that is bought together: 7,650 nodes, 745 features, 8 classes (Shchur et al. 2018).
    AmazonPhoto,
    /// Computer scientists who write together: 18,333 nodes, 6,805 features, 15 classes (Shchur et al. 2018).
    CoauthorCs,
    /// Physicists who write together: 34,493 nodes, 8,415 features, 5 classes (Shchur et al. 2018).
    CoauthorPhy,
    /// Papers: 2,995 nodes, 2,879 features, 7 classes (Bojchevski & Günnemann 2018).
    CoraMl,
    /// Papers: 4,230 nodes, 602 features, 6 classes (Bojchevski & Günnemann 2018).
    CiteseerFull,
    /// Papers: 17,716 nodes, 1,639 features, 4 classes (Bojchevski & Günnemann 2018).
    Dblp,
    /// Political blogs: 1,490 nodes without features, 2 classes (Adamic & Glance 2005).
    Polblogs,
    /// Actors on one page: 7,600 nodes, 932 features, 5 classes, 10 splits (Pei et al. 2020).
    Actor,
    /// Pages of Wikipedia: 2,277 nodes, 2,325 features, 5 classes, 10 splits; some are there twice (Pei et al. 2020).
    Chameleon,
    /// Each once: 890 nodes, 10 splits (Platonov et al. 2023).
    ChameleonFiltered,
    /// Pages of Wikipedia: 5,201 nodes, 2,089 features, 5 classes, 10 splits; some are there twice (Pei et al. 2020).
    Squirrel,
    /// Each once: 2,223 nodes, 10 splits (Platonov et al. 2023).
    SquirrelFiltered,
    /// Pages of a university: 183 nodes, 1,703 features, 5 classes, 10 splits; features and classes are those of `texas` (Pei et al. 2020).
    Cornell,
    /// Pages of a university: as `cornell`, with other edges (Pei et al. 2020).
    Texas,
    /// Pages of a university: 251 nodes, 1,703 features, 5 classes, 10 splits (Pei et al. 2020).
    Wisconsin,
    /// A grid with mines: 10,000 nodes, 7 features, 2 classes, a fifth of them mines, 10 splits (Platonov et al. 2023).
    Minesweeper,
    /// Workers on common tasks: 11,758 nodes, 10 features, 2 classes, a fifth of them banned, 10 splits (Platonov et al. 2023).
    Tolokers,
    /// Papers that share an author: 3,025 nodes, 1,870 features, 3 classes (Wang et al. 2019).
    Acm,
    /// Bloggers: 5,196 nodes, 8,189 features, 6 classes (Huang et al. 2017).
    Blogcatalog,
    /// Users of Flickr: 7,575 nodes, 12,047 features, 9 classes (Huang et al. 2017).
    Flickr,
}

impl Data {
    /// The file, opened.
    ///
    /// # Errors
    /// Where it is not there.
    pub(crate) fn open(&self) -> Result<Npz> {
        let (name, sha256) = match self {
            Data::File(path) => return Npz::open(path),
            Data::AmazonCs => (
                "amazon_cs",
                "c33fa3efe9e8394c357c2c3175e6514130abfef6ba1419e4ad2261c757a657ab",
            ),
            Data::AmazonPhoto => (
                "amazon_photo",
                "02b0fecaafe2b21f7c41249f63dcbdbd8001b0da7921f567953d20704215f745",
            ),
            Data::CoauthorCs => (
                "coauthor_cs",
                "ff6422f0cda235c7a446c0728019bba172e350abca03943c319f625bc658be52",
            ),
            Data::CoauthorPhy => (
                "coauthor_phy",
                "92b5581c47f13800be19d2ed90239c9f5d0622c5939de8e60a16ab4d50551d5d",
            ),
            Data::CoraMl => (
                "cora_ml",
                "604136d59952bfbe607876e5f6fac53eafa3ba3c7a8edee0c60f0bfc61395f3d",
            ),
            Data::CiteseerFull => (
                "citeseer_full",
                "092934ef6a55a000106057797683ec4034bc8f9160175c090beddbb36ac92531",
            ),
            Data::Dblp => (
                "dblp",
                "0774d54e92bf6d3576f49be2fcfd8993c2f269b7c7c707c98dd682a9d5698ce6",
            ),
            Data::Polblogs => (
                "polblogs",
                "c15ee8df9c5accce8c7c0ef9283e4b804ffa0114ea98e614f0dff91cc6f099b0",
            ),
            Data::Actor => (
                "actor",
                "dd6312838e8a88de5e0d494b5e57540e751d4eb60ae2c9999bf1228fd43ea33a",
            ),
            Data::Chameleon => (
                "chameleon",
                "3ece961a6d4a80e268048f8d15ea2fe3023a57d368c1b69b4f4e11711c2938fb",
            ),
            Data::ChameleonFiltered => (
                "chameleon_filtered",
                "36e0300cc5c3dfc14563e241ff07635cb1687142ebbc8c89f4d3f28f194afe1d",
            ),
            Data::Squirrel => (
                "squirrel",
                "d5b3c42ed328cbbf12c8473369fcda9f18d2860ee484ba0dd44ee09d02b0299b",
            ),
            Data::SquirrelFiltered => (
                "squirrel_filtered",
                "492ada05528ef036b3f50af827f7431d7daf1133ad98fd64e7260f26fddd0749",
            ),
            Data::Cornell => (
                "cornell",
                "c3051400bf4d83b58cd0a95e5306c54df70c8a1606d90ea5409328f251845381",
            ),
            Data::Texas => (
                "texas",
                "454f42fefc22ffa579ad4f0201e7603a262cc15f96bf8061ed0011719232d539",
            ),
            Data::Wisconsin => (
                "wisconsin",
                "d40b79492d2e028fa5d3d80cccc670f6493d4b7a9da5e5b2d8bfb65a2d957f01",
            ),
            Data::Minesweeper => (
                "minesweeper",
                "1dd6e2821714b00360bbbf6618b454e80b2e92d8a13117230f4fe6333d9a8291",
            ),
            Data::Tolokers => (
                "tolokers",
                "a495a1985bf95057667b1adcf3ff2449f17cd0d1bd823f9c74438e3a6c02fbe9",
            ),
            Data::Acm => (
                "acm",
                "93a2ce4644239110d3339dea5ead484edb3110bc6bf97be7141911d7aca90a52",
            ),
            Data::Blogcatalog => (
                "blogcatalog",
                "dc2293c0c673fef01d40eab29c9e9dd7ba306f4fee6e89d934632d4a253b1649",
            ),
            Data::Flickr => (
                "flickr",
                "877b5f4d9998b886381992bd0dbfb76da97d899e3ef487b5572f76b87ebd4e24",
            ),
        };
        // Nobody distributes them in this form.
        let file = DataFile::new(&format!("graphs_node/{name}.npz"), sha256, []);
        Npz::open(&data_file(&file)?)
    }

    /// The labels of its nodes, counted from 0.
    ///
    /// # Errors
    /// Where there are none.
    pub(crate) fn labels(&self, npz: &mut Npz) -> Result<Array> {
        let mut y = npz.get("y")?;
        if let Data::Blogcatalog | Data::Flickr = self {
            y.tensor = y.tensor.f_sub_scalar(1)?;
        }
        Ok(y)
    }
}
