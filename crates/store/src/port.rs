use async_trait::async_trait;

/// A statement with its name, which is also its span: `leads.create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// `table.verb`.
    pub name: &'static str,
    /// One SQL statement with `$n` parameters.
    pub sql: &'static str,
}

/// A parameter, as both Spin and sqlx can carry it. The statement casts where the column wants
/// another type: `$1::text::uuid`, `$2::bigint`, `$3::text::jsonb`.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// `$n::text`; `None` is NULL.
    Text(Option<String>),
    /// `$n::bigint`; `None` is NULL.
    Int(Option<i64>),
    /// `$n::boolean`.
    Bool(bool),
    /// `$n::text[]`.
    Texts(Vec<String>),
    /// `$n::bytea`.
    Bytes(Vec<u8>),
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}
impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}
impl From<Option<String>> for Param {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}
impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}
impl From<Option<i64>> for Param {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}
impl From<bool> for Param {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<Vec<String>> for Param {
    fn from(value: Vec<String>) -> Self {
        Self::Texts(value)
    }
}
impl From<Vec<u8>> for Param {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

/// A value of a result row. Statements select nothing else: text, bigint, boolean, bytea,
/// text[] and float8.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL of any type.
    Null,
    /// text.
    Text(String),
    /// int2, int4, int8.
    Int(i64),
    /// float8.
    Float(f64),
    /// boolean.
    Bool(bool),
    /// bytea.
    Bytes(Vec<u8>),
    /// text[].
    Texts(Vec<String>),
}

/// One result row: cells by column name.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    columns: std::sync::Arc<[String]>,
    cells: Vec<Cell>,
}

impl Row {
    /// A row of `cells` under `columns`, in the same order.
    #[must_use]
    pub fn new(columns: std::sync::Arc<[String]>, cells: Vec<Cell>) -> Self {
        Self { columns, cells }
    }

    fn cell(&self, column: &str) -> Result<&Cell, DbError> {
        let at = self.columns.iter().position(|name| name == column);
        at.and_then(|at| self.cells.get(at)).ok_or_else(|| DbError::Shape(format!("no column `{column}`")))
    }

    fn wrong(column: &str, cell: &Cell) -> DbError {
        let kind = match cell {
            Cell::Null => "null",
            Cell::Text(_) => "text",
            Cell::Int(_) => "an integer",
            Cell::Float(_) => "a float",
            Cell::Bool(_) => "a boolean",
            Cell::Bytes(_) => "bytes",
            Cell::Texts(_) => "a text array",
        };
        DbError::Shape(format!("column `{column}` is {kind}"))
    }

    /// A nullable text.
    ///
    /// # Errors
    /// [`DbError::Shape`] if the column is missing or of another type; so for all getters.
    pub fn opt_text(&self, column: &str) -> Result<Option<String>, DbError> {
        match self.cell(column)? {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text.clone())),
            other => Err(Self::wrong(column, other)),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// As [`Row::opt_text`], and for NULL.
    pub fn text(&self, column: &str) -> Result<String, DbError> {
        self.opt_text(column)?.ok_or_else(|| Self::wrong(column, &Cell::Null))
    }

    /// A nullable integer of any width.
    ///
    /// # Errors
    /// As [`Row::opt_text`].
    pub fn opt_int(&self, column: &str) -> Result<Option<i64>, DbError> {
        match self.cell(column)? {
            Cell::Null => Ok(None),
            Cell::Int(value) => Ok(Some(*value)),
            other => Err(Self::wrong(column, other)),
        }
    }

    /// An integer of any width.
    ///
    /// # Errors
    /// As [`Row::opt_text`], and for NULL.
    pub fn int(&self, column: &str) -> Result<i64, DbError> {
        self.opt_int(column)?.ok_or_else(|| Self::wrong(column, &Cell::Null))
    }

    /// A boolean.
    ///
    /// # Errors
    /// As [`Row::opt_text`], and for NULL.
    pub fn bool(&self, column: &str) -> Result<bool, DbError> {
        match self.cell(column)? {
            Cell::Bool(value) => Ok(*value),
            other => Err(Self::wrong(column, other)),
        }
    }

    /// A nullable boolean.
    ///
    /// # Errors
    /// As [`Row::opt_text`].
    pub fn opt_bool(&self, column: &str) -> Result<Option<bool>, DbError> {
        match self.cell(column)? {
            Cell::Null => Ok(None),
            Cell::Bool(value) => Ok(Some(*value)),
            other => Err(Self::wrong(column, other)),
        }
    }

    /// Bytes.
    ///
    /// # Errors
    /// As [`Row::opt_text`], and for NULL.
    pub fn bytes(&self, column: &str) -> Result<Vec<u8>, DbError> {
        match self.cell(column)? {
            Cell::Bytes(value) => Ok(value.clone()),
            other => Err(Self::wrong(column, other)),
        }
    }

    /// A text array.
    ///
    /// # Errors
    /// As [`Row::opt_text`], and for NULL.
    pub fn texts(&self, column: &str) -> Result<Vec<String>, DbError> {
        match self.cell(column)? {
            Cell::Texts(value) => Ok(value.clone()),
            other => Err(Self::wrong(column, other)),
        }
    }

    /// A text column parsed into a typed id, enum or number.
    ///
    /// # Errors
    /// As [`Row::text`], and when the text is not a `T`.
    pub fn parse<T: std::str::FromStr>(&self, column: &str) -> Result<T, DbError> {
        self.text(column)?
            .parse()
            .map_err(|_| DbError::Shape(format!("column `{column}` has an impossible value")))
    }

    /// A uuid column, selected as text.
    ///
    /// # Errors
    /// As [`Row::parse`].
    pub fn uuid(&self, column: &str) -> Result<uuid::Uuid, DbError> {
        self.parse(column)
    }

    /// A jsonb column, selected as text.
    ///
    /// # Errors
    /// As [`Row::text`], and when it does not have the shape of `T`.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, DbError> {
        serde_json::from_str(&self.text(column)?)
            .map_err(|_| DbError::Shape(format!("column `{column}` holds json of another shape")))
    }
}

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// The database cannot be reached or refused the connection: try again later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A named constraint forbade the change.
    #[error("constraint `{constraint}` (SQLSTATE {code})")]
    Constraint {
        /// SQLSTATE, such as 23505.
        code: String,
        /// The constraint's name.
        constraint: String,
    },
    /// The statement failed otherwise. For the log, never for a client.
    #[error("{code}: {message}")]
    Failed {
        /// SQLSTATE, or empty.
        code: String,
        /// Postgres' own words.
        message: String,
    },
    /// A row was not what the code expects.
    #[error("unexpected row: {0}")]
    Shape(String),
}

/// Runs statements. Guests implement it over Spin, native code over sqlx.
#[async_trait]
pub trait Db: Send + Sync {
    /// Runs `statement` and returns all its rows.
    async fn query(&self, statement: &Statement, params: Vec<Param>) -> Result<Vec<Row>, DbError>;

    /// Runs `statement` for at most one row.
    async fn query_one(&self, statement: &Statement, params: Vec<Param>) -> Result<Option<Row>, DbError> {
        Ok(self.query(statement, params).await?.into_iter().next())
    }
}
