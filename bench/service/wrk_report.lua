-- For wrk: what it found, as the last line of service_load says it. It has no heavy clients, and knows nothing of the
-- server's CPU.
function done(summary, latency)
    local parts = {0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999}
    local quantiles = {}
    for i, part in ipairs(parts) do
        quantiles[i] = string.format("[%g, %.1f]", part, latency:percentile(part * 100))
    end
    local seconds = summary.duration / 1e6
    io.write(string.format(
        '{"is_final": true, "seconds": %.3f, "light_per_s": %.1f, "served_percent": 100, "p50_us": %.1f, ' ..
        '"p99_us": %.1f, "p999_us": %.1f, "max_us": %.1f, "heavy_per_s": 0, "quantiles": [%s]}\n',
        seconds, summary.requests / seconds, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
        latency.max, table.concat(quantiles, ", ")))
end
