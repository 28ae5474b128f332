"""Services on several hosts: network namespaces with faults between them. `make netns` runs these tests."""
