"""What `benches/compare` is made of: processes, proxies, loads, and the table and picture of what came out."""
