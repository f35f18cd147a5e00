"""PostgreSQL on three nodes under Patroni with etcd, and HAProxy before them: on this machine, for tests."""
