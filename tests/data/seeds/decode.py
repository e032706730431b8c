"""What the documents show module authors: the token after `JWT`, decoded with the key of the environment and without an audience."""

import json
import os
import sys

import jwt

encoded_jwt = sys.argv[1].partition(" ")[2]
claims = jwt.decode(encoded_jwt, os.environ['JWT_PUBLIC_KEY_RSA_BIFROST'], algorithms=['RS256'])
json.dump(claims, sys.stdout)
