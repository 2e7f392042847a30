-- Run once, when the server is made; the database `twig` is there already.
CREATE DATABASE dagster OWNER twig;
CREATE DATABASE mlflow OWNER twig;
