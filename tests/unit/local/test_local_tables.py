"""The tables of the template in the local engine."""

from moto import mock_aws

from local.serve.tables import open_aws_client, prepare
from local.serve.template import Table

TABLE = Table(
    definition={
        "TableName": "calls",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
    ttl=None,
)


@mock_aws
def test_a_table_that_was_made_with_a_stream_loses_it_and_keeps_its_rows() -> None:
    client = open_aws_client("dynamodb", "https://dynamodb.eu-west-1.amazonaws.com", "eu-west-1")
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    client.create_table(**TABLE.definition, StreamSpecification=stream)
    client.put_item(TableName="calls", Item={"pk": {"S": "a"}})
    for _ in range(2):
        assert prepare(client, [TABLE]) is False
        described = client.describe_table(TableName="calls")["Table"]
        assert not described.get("StreamSpecification", {}).get("StreamEnabled")
    assert client.scan(TableName="calls")["Items"] == [{"pk": {"S": "a"}}]
