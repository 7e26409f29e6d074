// Questions  What does it cost to read a request's head strictly and to write
//            it anew, next to the bare parser (Boost.Beast) that only finds
//            the lines? What does a whole keep-alive exchange cost in memory,
//            request and response, without sockets? And a body, by byte?
// Method     requests of 40 bytes (as wrk sends) and of 703 (a browser's, the
//            one picohttpparser's benchmark uses); everything made before the
//            timed loop. Bare Beast is the same parser with callbacks that do
//            nothing.
#include <benchmark/benchmark.h>

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "io/base/instant.h"
#include "lb/http/limits.h"
#include "lb/http/message_reader.h"
#include "lb/http/writer.h"
#include "lb/l7/http_connection.h"
#include "lb/l7/stream_connection.h"

namespace ballast {
namespace {

constexpr absl::string_view kShort =
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
constexpr absl::string_view kBrowser =
    "GET /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg "
    "HTTP/1.1\r\nHost: www.kittyhell.com\r\n"
    "User-Agent: Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10.6; ja-JP-mac; "
    "rv:1.9.2.3) Gecko/20100401 Firefox/3.6.3 Pathtraq/0.9\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    "\r\nAccept-Language: ja,en-us;q=0.7,en;q=0.3\r\n"
    "Accept-Encoding: gzip,deflate\r\n"
    "Accept-Charset: Shift_JIS,utf-8;q=0.7,*;q=0.7\r\nKeep-Alive: 115\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: wp_ozh_wsa_visits=2; wp_ozh_wsa_visit_lasttime=xxxxxxxxxx; "
    "__utma=xxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.x; "
    "__utmz=xxxxxxxxx.xxxxxxxxxx.x.x.utmccn=(referral)|utmcsr=reader.livedoor"
    ".com|utmcct=/reader/|utmcmd=referral\r\n\r\n";
constexpr absl::string_view kResponse =
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n"
    "Date: Sun, 22 Nov 2026 08:00:00 GMT\r\nContent-Type: text/plain\r\n"
    "Content-Length: 13\r\nLast-Modified: Sun, 22 Nov 2026 07:00:00 GMT\r\n"
    "Connection: keep-alive\r\nETag: \"65a1b2c3-d\"\r\nAccept-Ranges: bytes\r\n"
    "\r\nHello, world\n";

absl::string_view Request(int64_t which) {
  return which == 0 ? kShort : kBrowser;
}

class BareParser final : public boost::beast::http::basic_parser<true> {
 public:
  size_t fields = 0;

 private:
  using Error = boost::beast::error_code;
  using View = boost::beast::string_view;
  void on_request_impl(boost::beast::http::verb, View, View, int,
                       Error&) override {}
  void on_response_impl(int, View, int, Error&) override {}
  void on_field_impl(boost::beast::http::field, View, View, Error&) override {
    ++fields;
  }
  void on_header_impl(Error&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, Error&) override {}
  size_t on_body_impl(View body, Error&) override { return body.size(); }
  void on_chunk_header_impl(uint64_t, View, Error&) override {}
  size_t on_chunk_body_impl(uint64_t, View body, Error&) override {
    return body.size();
  }
  void on_finish_impl(Error&) override {}
};

void BM_BareBeast(benchmark::State& state) {
  const absl::string_view request = Request(state.range(0));
  for (auto _ : state) {
    BareParser parser;
    boost::beast::error_code error;
    benchmark::DoNotOptimize(parser.put(
        boost::asio::const_buffer(request.data(), request.size()), error));
    BALLAST_CHECK(!error);
    benchmark::DoNotOptimize(parser.fields);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_BareBeast)->ArgName("browser")->Arg(0)->Arg(1);

void BM_ReadHead(benchmark::State& state) {
  const absl::string_view request = Request(state.range(0));
  http::RequestReader reader(http::Limits{});
  for (auto _ : state) {
    absl::string_view input = request;
    reader.Begin();
    BALLAST_CHECK(reader.Next(&input) == http::Read::kHead);
    benchmark::DoNotOptimize(reader.head().host());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ReadHead)->ArgName("browser")->Arg(0)->Arg(1);

void BM_ReadAndWriteHead(benchmark::State& state) {
  const absl::string_view request = Request(state.range(0));
  http::RequestReader reader(http::Limits{});
  std::string out;
  for (auto _ : state) {
    absl::string_view input = request;
    reader.Begin();
    BALLAST_CHECK(reader.Next(&input) == http::Read::kHead);
    out.clear();
    http::WriteRequestHead(reader.head(), {}, &out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ReadAndWriteHead)->ArgName("browser")->Arg(0)->Arg(1);

class OneServer : public l7::Chooser, public l7::StreamChooser {
 public:
  std::variant<l7::ServerChoice, l7::Denial> Choose(
      Instant, const l7::Client&, uint32_t, http::RequestHead*) override {
    return choice_;
  }
  std::variant<l7::ServerChoice, l7::Denial> Choose(
      Instant, const l7::Client&, uint32_t, absl::string_view) override {
    return choice_;
  }
  void OnEnd(Instant, const l7::ServerChoice&, l7::Outcome) override {}

 private:
  const l7::ServerChoice choice_{.server = {Address::V4(0x0a000001), 80}};
};

std::span<const uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// All six calls of an exchange over connections that are there already.
void BM_Exchange(benchmark::State& state) {
  const absl::string_view request = Request(state.range(0));
  l7::HttpSettings settings;
  l7::Counters counters;
  OneServer chooser;
  const l7::Client client{.address = {Address::V4(0xc0000201), 1234}};
  Instant now;
  if (state.range(1) != 0) {
    settings.forwarding = {
        .x_forwarded_for = l7::ForwardingFields::List::kAppend,
        .x_forwarded_proto = true,
        .via = "ballast"};
  }
  l7::HttpConnection connection(settings, client, &chooser, &counters, now);
  for (auto _ : state) {
    now += absl::Microseconds(1);
    l7::Orders orders = connection.ClientBytes(now, Bytes(request));
    BALLAST_CHECK(orders.connect != nullptr);
    orders = connection.ServerConnected(now, true);
    connection.ServerSent(now, orders.to_server.size());
    orders = connection.ServerBytes(now, Bytes(kResponse));
    BALLAST_CHECK(orders.release_server && !orders.to_client.empty());
    connection.ClientSent(now, orders.to_client.size());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Exchange)
    ->ArgNames({"browser", "forwarding_fields"})
    ->Args({0, 0})
    ->Args({1, 0})
    ->Args({1, 1});

// A response body of 1 MB in reads of 8 KB, the client keeping up.
void BM_ResponseBody(benchmark::State& state) {
  const bool chunked = state.range(0) != 0;
  const std::string piece(8192, 'x');
  const std::string chunk = absl::StrCat("2000\r\n", piece, "\r\n");
  l7::HttpSettings settings;
  l7::Counters counters;
  OneServer chooser;
  Instant now;
  l7::HttpConnection connection(settings, {}, &chooser, &counters, now);
  const auto give = [&](absl::string_view bytes) {
    const l7::Orders orders = connection.ServerBytes(now, Bytes(bytes));
    if (!orders.to_client.empty()) {
      connection.ClientSent(now, orders.to_client.size());
    }
  };
  for (auto _ : state) {
    connection.ClientBytes(now, Bytes(kShort));
    const l7::Orders orders = connection.ServerConnected(now, true);
    connection.ServerSent(now, orders.to_server.size());
    give(chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 : "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    for (int i = 0; i < 128; ++i) give(chunked ? chunk : piece);
    if (chunked) give("0\r\n\r\n");
    BALLAST_CHECK(connection.idle());
  }
  state.SetBytesProcessed(state.iterations() * (1 << 20));
}
BENCHMARK(BM_ResponseBody)->ArgName("chunked")->Arg(0)->Arg(1);

// The same over a plain stream.
void BM_Stream(benchmark::State& state) {
  const std::string piece(8192, 'x');
  l7::StreamSettings settings;
  l7::Counters counters;
  OneServer chooser;
  Instant now;
  l7::StreamConnection connection(settings, {}, &chooser, &counters, now);
  connection.ClientBytes(now, Bytes("x"));
  const l7::Orders first = connection.ServerConnected(now, false);
  connection.ServerSent(now, first.to_server.size());
  for (auto _ : state) {
    const l7::Orders orders = connection.ServerBytes(now, Bytes(piece));
    connection.ClientSent(now, orders.to_client.size());
  }
  state.SetBytesProcessed(state.iterations() * 8192);
}
BENCHMARK(BM_Stream);

}  // namespace
}  // namespace ballast
