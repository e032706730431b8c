module modgud.test/sample

go 1.24
