module crr/test/server

go 1.18
