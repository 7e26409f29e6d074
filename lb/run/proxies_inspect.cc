// Proxies: questions to what runs, answered by the threads that have it.
#include <chrono>
#include <utility>

#include "io/clock.h"
#include "io/socket_address.h"
#include "lb/run/proxies.h"

namespace ballast::run {
namespace {

// On the thread that has it.
ConnectionRecord RecordOf(const Proxied& proxied, const ProxiedView& view,
                          Instant now) {
  ConnectionRecord record = {.layer7 = true,
                             .client = view.client,
                             .destination = view.local,
                             .service = proxied.service().endpoint,
                             .state = "waiting",
                             .idle = now - view.last_seen};
  if (view.server_fd < 0) return record;
  record.state = view.connecting ? "connecting" : "open";
  record.server = view.choice.server;
  record.sub_service = proxied.service().chooser->SubServiceOf(view.choice.tag);
  const Endpoint source = SocketAddress::Local(view.server_fd).endpoint();
  if (source.address != view.client.address) record.source = source;
  return record;
}

void ListThread(const ProxyThread& thread, const ConnectionQuery& query,
                size_t wanted, std::vector<ConnectionRecord>* records) {
  const Instant now = thread.Now();
  thread.connections().ForEach([&](const Proxied& proxied) {
    if (records->size() >= wanted) return;
    if (query.service.has_value() &&
        proxied.service().endpoint != query.service->endpoint) {
      return;
    }
    const std::optional<ProxiedView> view = proxied.View();
    if (!view.has_value() ||
        !ConnectionQuery::Wants(query.client, view->client)) {
      return;
    }
    if (query.server.has_value() &&
        (view->server_fd < 0 ||
         !ConnectionQuery::Wants(query.server, view->choice.server))) {
      return;
    }
    records->push_back(RecordOf(proxied, *view, now));
  });
}

}  // namespace

bool Proxies::Has(const ServiceAddress& service) const {
  return service.protocol == Protocol::kTcp &&
         services_.contains({service.endpoint.address, service.endpoint.port});
}

bool Proxies::List(const ConnectionQuery& query, size_t wanted,
                   Instant deadline,
                   std::vector<ConnectionRecord>* records) const {
  // A thread that comes to it too late writes into its own.
  using Records = std::vector<ConnectionRecord>;
  std::vector<std::pair<std::future<void>, std::shared_ptr<Records>>> asked;
  for (const auto& thread : threads_) {
    auto found = std::make_shared<Records>();
    asked.emplace_back(
        thread->PostAlways([query, wanted, found](ProxyThread& self) {
          ListThread(self, query, wanted, found.get());
        }),
        found);
  }
  bool all = true;
  for (const auto& [ran, found] : asked) {
    const absl::Duration left =
        std::max(deadline - MonotonicNow(), absl::ZeroDuration());
    if (ran.wait_for(absl::ToChronoMicroseconds(left)) !=
        std::future_status::ready) {
      all = false;
      continue;
    }
    for (ConnectionRecord& record : *found) {
      if (records->size() == wanted) break;
      records->push_back(std::move(record));
    }
  }
  return all;
}

}  // namespace ballast::run
