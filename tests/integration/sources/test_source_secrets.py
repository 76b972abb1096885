"""Fields of secrets, read from a real Secrets Manager."""

import uuid
from typing import TYPE_CHECKING

import pytest

from shared.errors import SourceCredentialsError
from shared.sources.secrets import SourceSecrets

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex[:12]}/sources"


def test_a_field_is_read_without_white_space_around_it(
    secrets_client: "SecretsManagerClient", prefix: str
) -> None:
    secrets_client.create_secret(
        Name=f"{prefix}/shop", SecretString='{"token": " abc\\n", "other": "x"}'
    )
    assert SourceSecrets(secrets_client, prefix).field("shop", "token") == "abc"


@pytest.mark.parametrize(
    "document",
    [
        '{"other": "HIDDEN"}',
        '{"token": ""}',
        '{"token": ["HIDDEN"]}',
        '["HIDDEN"]',
        "HIDDEN",
        "[" * 20_000,
    ],
)
def test_a_secret_without_the_field_is_named_and_never_shown(
    secrets_client: "SecretsManagerClient", prefix: str, document: str
) -> None:
    secrets_client.create_secret(Name=f"{prefix}/shop", SecretString=document)
    with pytest.raises(SourceCredentialsError, match="is no JSON object with a text 'token'") as e:
        SourceSecrets(secrets_client, prefix).field("shop", "token")
    assert f"{prefix}/shop" in str(e.value)
    assert "HIDDEN" not in str(e.value)


def test_a_secret_that_is_not_there_is_named(
    secrets_client: "SecretsManagerClient", prefix: str
) -> None:
    with pytest.raises(SourceCredentialsError, match=f"there is no secret {prefix}/absent"):
        SourceSecrets(secrets_client, prefix).field("absent", "token")
