crate::string_enum! {
    /// Where an account's data lives and its calls are made.
    pub enum Region as "region" {
        /// The European Union.
        EuWest = "eu-west",
        /// The United States.
        UsEast = "us-east",
        /// Türkiye.
        TrIst = "tr-ist",
    }
}
