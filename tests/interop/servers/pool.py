"""A user pool in moto with one person, who signs in by Cognito's API; prints what came of it.

Usage: pool.py URL-OF-MOTO
"""

import json
import sys

import boto3

REGION = "us-east-1"
known = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
cognito = boto3.client("cognito-idp", region_name=REGION, endpoint_url=sys.argv[1], **known)
pool = cognito.create_user_pool(PoolName="people", AutoVerifiedAttributes=["email"])["UserPool"]["Id"]
client = cognito.create_user_pool_client(
    UserPoolId=pool, ClientName="broker", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
)["UserPoolClient"]["ClientId"]
cognito.create_group(GroupName="engineering", UserPoolId=pool)
cognito.admin_create_user(
    UserPoolId=pool,
    Username="ada",
    UserAttributes=[
        {"Name": "email", "Value": "ada@acme.example"},
        {"Name": "email_verified", "Value": "true"},
        {"Name": "name", "Value": "Ada Example"},
    ],
)
cognito.admin_set_user_password(UserPoolId=pool, Username="ada", Password="Ada-knows-1", Permanent=True)
cognito.admin_add_user_to_group(UserPoolId=pool, Username="ada", GroupName="engineering")
answer = cognito.admin_initiate_auth(
    UserPoolId=pool,
    ClientId=client,
    AuthFlow="ADMIN_USER_PASSWORD_AUTH",
    AuthParameters={"USERNAME": "ada", "PASSWORD": "Ada-knows-1"},
)
tokens = answer["AuthenticationResult"]
sys.stdout.write(
    json.dumps(
        {"pool": pool, "client": client, "id_token": tokens["IdToken"], "access_token": tokens["AccessToken"]}
    )
)
