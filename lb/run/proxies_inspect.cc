// Proxies: questions to what runs, answered by the threads that have it.
#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/clock.h"
#include "io/socket_address.h"
#include "lb/http/message_reader.h"
#include "lb/l7/exchange.h"
#include "lb/l7/service_explain.h"
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

// What one thread knows of a service.
struct Asked {
  ExplainOrder order;
  l7::Client client;
  bool http = false;
  l7::HttpSettings settings;
  std::shared_ptr<l7::ServiceChooser> chooser;
  std::shared_ptr<l7::LimitedService> limits;
};

std::string TextOf(const ExplainOrder& order) {
  const ExplainOrder::Request request =
      order.request.value_or(ExplainOrder::Request());
  std::string text = absl::StrCat(
      request.method.empty() ? "GET" : request.method, " ",
      request.target.empty() ? "/" : request.target, " HTTP/1.1\r\nHost: ",
      request.host.empty() ? order.destination.ToString() : request.host,
      "\r\n");
  for (const std::string& field : request.fields) {
    absl::StrAppend(&text, field, "\r\n");
  }
  return absl::StrCat(text, "\r\n");
}

// On the thread that has the chooser.
void ExplainOn(Instant now, const Asked& asked, Explanation* out) {
  if (!asked.http) {
    return l7::ExplainService(now, *asked.chooser, asked.client, nullptr, out);
  }
  http::RequestReader reader(asked.settings.limits);
  const std::string text = TextOf(asked.order);
  absl::string_view input = text;
  reader.Begin();
  if (reader.Next(&input) != http::Read::kHead) {
    out->layer7 = true;
    const std::string why(http::RefusalName(reader.refusal()));
    return out->Refuse("request_refused",
                       absl::StrCat("the request is refused: ", why));
  }
  l7::Exchange::Prepare(asked.settings, asked.client, &reader.head());
  l7::ExplainService(now, *asked.chooser, asked.client, &reader.head(), out);
}

// A limit comes before all that.
void ExplainLimits(Instant now, const Asked& asked, Explanation* out) {
  if (asked.limits == nullptr) return;
  const auto refusal =
      asked.limits->WouldRefuse(now, asked.client.address.address, asked.http);
  if (!refusal.has_value()) return;
  const std::string limit(l7::LimitReasonName(refusal->reason));
  out->Refuse(limit, absl::StrCat("a new connection now: limit ", limit,
                                  " is reached"));
}

bool HasPort(const config::VirtualService& service, uint16_t port) {
  if (service.port == port) return true;
  return std::any_of(service.extra_ports.begin(), service.extra_ports.end(),
                     [port](const config::PortRange& range) {
                       return range.first <= port && port <= range.last;
                     });
}

}  // namespace

std::optional<absl::StatusOr<Explanation>> Proxies::Explain(
    const ExplainOrder& order, Instant deadline) const {
  const auto found =
      std::find_if(services_.begin(), services_.end(), [&](const auto& one) {
        const config::VirtualService& config = one.second.plan->config;
        return config.address == order.destination.address &&
               HasPort(config, order.destination.port);
      });
  if (found == services_.end()) return std::nullopt;
  const ProxiedService& service = found->second;
  const config::L7Service& l7 = *service.plan->config.l7;
  std::vector<std::pair<std::future<void>, std::shared_ptr<Explanation>>> all;
  for (size_t i = 0; i < threads_.size(); ++i) {
    Asked asked = {.order = order,
                   .client = {order.client, order.destination, false},
                   .http = l7.type == config::L7Type::kHttp,
                   .settings = service.settings,
                   .chooser = service.choosers[i],
                   .limits = service.limits};
    auto answer = std::make_shared<Explanation>();
    all.emplace_back(threads_[i]->PostAlways(
                         [asked = std::move(asked), answer](ProxyThread& self) {
                           ExplainOn(self.Now(), asked, answer.get());
                           ExplainLimits(self.Now(), asked, answer.get());
                         }),
                     answer);
  }
  std::optional<Explanation> first;
  for (size_t i = 0; i < all.size(); ++i) {
    const absl::Duration left =
        std::max(deadline - MonotonicNow(), absl::ZeroDuration());
    if (all[i].first.wait_for(absl::ToChronoMicroseconds(left)) !=
        std::future_status::ready) {
      continue;
    }
    const Explanation& answer = *all[i].second;
    if (!first.has_value()) {
      first = answer;
    } else if (answer.server != first->server) {
      first->Say(absl::StrCat(
          "thread ", i, " would take ",
          answer.server ? answer.server->ToString() : answer.reason,
          ": the kernel decides which thread has a connection"));
    }
  }
  if (!first.has_value()) {
    return absl::UnavailableError("the proxy threads are too busy to answer");
  }
  std::vector<ConnectionRecord> open;
  (void)List({.client = order.client, .limit = 1}, 1, deadline, &open);
  if (!open.empty() && open[0].destination == order.destination) {
    first->connection = open[0];
    first->Say(
        "there is a connection, whose next request is decided anew, its last "
        "server known");
  }
  return *std::move(first);
}

std::optional<persist::Digest> Proxies::KeyOf(const Address& client) const {
  if (services_.empty()) return std::nullopt;
  // All plans have the same secret.
  const std::string bytes(client.bytes().begin(), client.bytes().end());
  return persist::DigestOf(services_.begin()->second.plan->secret,
                           {persist::Mode::kSourceIp, bytes});
}

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
