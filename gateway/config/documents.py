"""Any document: what it may ask, how large it may be and how long it may take."""

from pydantic import Field

from gateway.config.loading import Loadable, Seconds


class DocumentSettings(Loadable):
    """What one document may ask, how large it may be and how long it may take."""

    introspection: bool = Field(default=False, description="Answer introspection queries.")
    suggestions: bool = Field(
        default=False, description="Say in errors what in the schema may have been meant."
    )
    max_document_length: int = Field(
        default=20_000, ge=1, description="Most characters in a document."
    )
    max_document_lines: int = Field(default=2_000, ge=1, description="Most lines in a document.")
    max_document_tokens: int = Field(default=5_000, ge=1, description="Most tokens in a document.")
    max_document_comments: int = Field(
        default=200, ge=0, description="Most comments in a document."
    )
    max_document_depth: int = Field(
        default=12, ge=1, description="Most fields within fields in a document."
    )
    max_document_cost: int = Field(
        default=1_000,
        ge=1,
        description="Most that a document may cost: 1 for a field, 10 more for a provider call, "
        "and what is selected in a list of objects once for each item that is expected.",
    )
    max_root_mutation_fields: int = Field(
        default=10, ge=1, description="Most mutations in a document."
    )
    max_document_operations: int = Field(
        default=50, ge=1, description="Most operations in a document."
    )
    max_document_values: int = Field(
        default=1_000,
        ge=1,
        description="Most values that a document writes out: in arguments, directives and the "
        "defaults of variables, those in lists and objects included.",
    )
    max_document_value_nesting: int = Field(
        default=12, ge=1, description="Most lists and objects within each other in such a value."
    )
    max_document_errors: int = Field(
        default=20, ge=1, description="Most errors that are listed for a document."
    )
    query_deadline: Seconds = Field(default=15, description="Longest time for a query.")
    mutation_deadline: Seconds = Field(default=60, description="Longest time for a mutation.")
