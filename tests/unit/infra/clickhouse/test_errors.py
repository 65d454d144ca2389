"""The engine's errors, as a server tells them."""

import pytest

from infra.clickhouse.errors import Code, from_engine


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        pytest.param(
            "Code: 62. DB::Exception: Syntax error: failed at position 1. (SYNTAX_ERROR)",
            62,
            "DB::Exception: Syntax error: failed at position 1. (SYNTAX_ERROR)",
            id="plain",
        ),
        pytest.param(
            "Streaming query failed: Code: 394. DB::Exception: Query was cancelled. (QUERY_WAS_CANCELLED)",
            394,
            "DB::Exception: Query was cancelled. (QUERY_WAS_CANCELLED)",
            id="while streaming",
        ),
        pytest.param(
            "Code: 33. DB::Exception: Code: 33. DB::Exception: Cannot read. (CANNOT_READ_ALL_DATA) "
            "(version 26.9.2.1). (CANNOT_READ_ALL_DATA)",
            33,
            "DB::Exception: Cannot read. (CANNOT_READ_ALL_DATA)",
            id="one in the other",
        ),
        pytest.param("out of luck", Code.STD_EXCEPTION, "std::exception: out of luck", id="no code"),
    ],
)
def test_error_of_the_engine(text: str, code: int, message: str) -> None:
    error = from_engine(RuntimeError(text))
    assert (error.code, error.message) == (code, message)


def test_error_whose_text_is_not_utf8() -> None:
    text = b"Code: 395. DB::Exception: \xff. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)"
    try:
        text.decode()
    except UnicodeDecodeError as failed:
        first, then = failed, RuntimeError("Streaming query failed")
    then.__cause__ = first
    for error in (first, then):
        assert from_engine(error).code == 395
        assert from_engine(error).message.startswith("DB::Exception: \udcff. ")
