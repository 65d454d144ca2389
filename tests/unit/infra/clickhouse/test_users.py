"""Names and passwords."""

from pathlib import Path

import pytest

from infra.clickhouse.errors import Code, ServerError
from infra.clickhouse.users import Users, product_password


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
