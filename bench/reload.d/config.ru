work = ENV.fetch("WORK_MS", "0").to_i / 1000.0

run lambda { |_env|
  sleep work
  [200, { "Content-Type" => "text/plain" }, ["pid #{Process.pid}\n"]]
}
