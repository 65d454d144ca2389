"""Names and passwords."""

from pathlib import Path

import pytest

from infra.clickhouse.errors import Code, ServerError
from infra.clickhouse.users import Users, analyst_password, product_password


@pytest.mark.parametrize(("user", "password"), [("default", "wrong"), ("default", ""), ("nobody", ""), ("nobody", "s")])
def test_wrong_word_is_refused_alike(user: str, password: str) -> None:
    with pytest.raises(ServerError) as caught:
        Users({"default": "s"}).authenticate(user, password)
    assert caught.value.code == Code.AUTHENTICATION_FAILED
    assert caught.value.message.startswith(f"DB::Exception: {user}: Authentication failed")


def test_right_word() -> None:
    Users({"default": "s"}).authenticate("default", "s")


def test_product_password_is_made_once_for_its_owner(tmp_path: Path) -> None:
    password = product_password(tmp_path)
    assert len(password) >= 32
    assert product_password(tmp_path) == password
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600


def test_the_analyst_has_a_password_of_its_own(tmp_path: Path) -> None:
    password = analyst_password(tmp_path)
    assert len(password) >= 32
    assert password == analyst_password(tmp_path) != product_password(tmp_path)
    assert (tmp_path / "analyst_password").stat().st_mode & 0o777 == 0o600


def test_an_empty_file_is_no_password(tmp_path: Path) -> None:
    """A power cut can leave one behind; whoever gives no password must not be let in then."""
    for make, name in ((product_password, "password"), (analyst_password, "analyst_password")):
        (tmp_path / name).touch()
        assert len(make(tmp_path)) >= 32
