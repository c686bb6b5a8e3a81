"""What `make run` serves with: API Gateway's, Lambda's, SQS's and DynamoDB's parts on one machine."""
