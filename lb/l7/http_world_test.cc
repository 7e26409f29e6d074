// Goal    whatever pieces bytes come in, and whenever sends complete, every
//         request reaches its server whole, every answer the client, in order,
//         and connections are used again.
// Method  an honest client pipelines requests with random bodies; an honest
//         server answers each with the body it got, framed anyhow. The seed is
//         the only input.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "lb/http/message_reader.h"
#include "lb/http/writer.h"
#include "lb/l7/http_connection.h"
#include "lb/l7/rig.h"

namespace ballast::l7 {
namespace {

class World {
 public:
  explicit World(uint32_t seed)
      : prng_(seed),
        server_reader_(http::Limits{}),
        client_reader_(http::Limits{}) {
    settings_.stream.buffer_max = 1 + prng_() % 3000;
    settings_.reuse_servers = prng_() % 4 != 0;
  }

  void Run() {
    Rig<HttpConnection> rig(settings_, &counters_);
    const int requests = 1 + static_cast<int>(prng_() % 6);
    std::string upload;
    for (int i = 0; i < requests; ++i) upload += MakeRequest(i);
    client_reader_.Begin(http::Method::kPost);
    std::string reply;
    int legs = 0;
    for (int steps = 0; answers_ < requests && steps < 100000; ++steps) {
      rig.hold_client = prng_() % 2 == 0;
      rig.hold_server = prng_() % 2 == 0;
      switch (prng_() % 5) {
        case 0:
          if (rig.read_client && !upload.empty()) rig.Client(Piece(&upload));
          break;
        case 1:
          if (!rig.connecting) break;
          rig.Connected(rig.may_reuse && prng_() % 2 == 0);
          server_reader_.Begin();
          reply.clear();
          ++legs;
          break;
        case 2:
          if (rig.server_up && rig.read_server && !reply.empty()) {
            rig.Server(Piece(&reply));
          } else if (rig.server_up && rig.read_server && ends_ &&
                     !rig.server_sending) {
            ends_ = false;
            rig.ServerEnd();
          }
          break;
        case 3:
          if (rig.client_sending) rig.FinishClientSend();
          break;
        default:
          if (rig.server_sending) rig.FinishServerSend();
      }
      Serve(rig.TakeServer(), &reply);
      ReadAnswers(rig.TakeClient());
      ASSERT_FALSE(testing::Test::HasFatalFailure());
      ASSERT_FALSE(rig.client_closed);
    }
    rig.hold_client = rig.hold_server = false;
    if (rig.server_sending) rig.FinishServerSend();
    EXPECT_EQ(answers_, requests);
    EXPECT_EQ(got_, sent_);
    EXPECT_EQ(legs, requests);
    EXPECT_EQ(rig.chooser.open, 0);
    EXPECT_EQ(counters_.responses.value(), static_cast<uint64_t>(requests));
  }

 private:
  std::string Piece(std::string* text) {
    const size_t size = std::min<size_t>(
        text->size(), prng_() % 3 == 0 ? 1 + prng_() % 8 : 1 + prng_() % 2000);
    std::string piece = text->substr(0, size);
    text->erase(0, size);
    return piece;
  }

  std::string RandomBody() {
    std::string body(prng_() % 3 == 0 ? 0 : prng_() % 5000, '\0');
    for (char& c : body) c = static_cast<char>(prng_());
    return body;
  }

  std::string Chunked(std::string body) {
    std::string out;
    while (!body.empty()) http::WriteChunk(Piece(&body), &out);
    return out + "0\r\n\r\n";
  }

  std::string MakeRequest(int n) {
    const std::string body = RandomBody();
    absl::StrAppend(&sent_, n, ":", body, "\n");
    const std::string line =
        absl::StrCat("POST /", n, " HTTP/1.1\r\nHost: h\r\n");
    if (prng_() % 2 == 0) {
      return absl::StrCat(line, "Content-Length: ", body.size(), "\r\n\r\n",
                          body);
    }
    return absl::StrCat(line, "Transfer-Encoding: chunked\r\n\r\n",
                        Chunked(body));
  }

  void Serve(absl::string_view bytes, std::string* reply) {
    while (!bytes.empty() || need_end_) {
      const http::Read read = server_reader_.Next(&bytes);
      need_end_ = read == http::Read::kHead || read == http::Read::kBody;
      if (read == http::Read::kHead) {
        served_ = absl::StrCat(server_reader_.head().path().substr(1), ":");
      } else if (read == http::Read::kBody) {
        served_.append(server_reader_.body().data(),
                       server_reader_.body().size());
      } else if (read == http::Read::kEnd) {
        *reply += MakeReply(served_);
        server_reader_.Begin();
      } else if (read == http::Read::kRefused) {
        FAIL() << http::RefusalName(server_reader_.refusal());
      } else {
        return;
      }
    }
  }

  std::string MakeReply(const std::string& body) {
    const std::string interim =
        prng_() % 4 == 0 ? "HTTP/1.1 103 Early Hints\r\n\r\n" : "";
    switch (prng_() % 3) {
      case 0:
        return absl::StrCat(interim,
                            "HTTP/1.1 200 OK\r\nContent-Length: ", body.size(),
                            "\r\n\r\n", body);
      case 1:
        return absl::StrCat(
            interim, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            Chunked(body));
      default:
        ends_ = true;
        return absl::StrCat(interim, "HTTP/1.1 200 OK\r\n\r\n", body);
    }
  }

  void ReadAnswers(absl::string_view bytes) {
    while (true) {
      switch (client_reader_.Next(&bytes)) {
        case http::Read::kNeedMore:
          return;
        case http::Read::kHead:
          break;
        case http::Read::kBody:
          got_.append(client_reader_.body().data(),
                      client_reader_.body().size());
          break;
        case http::Read::kEnd:
          if (!client_reader_.head().interim()) {
            got_ += "\n";
            ++answers_;
          }
          client_reader_.Begin(http::Method::kPost);
          break;
        case http::Read::kRefused:
          FAIL() << http::RefusalName(client_reader_.refusal());
      }
    }
  }

  std::mt19937 prng_;
  HttpSettings settings_;
  Counters counters_;
  http::RequestReader server_reader_;
  http::ResponseReader client_reader_;
  std::string sent_;    // What the answers have to be.
  std::string served_;  // The body of the answer being made.
  std::string got_;
  int answers_ = 0;
  bool need_end_ = false;
  bool ends_ = false;  // The server will end its stream after the reply.
};

TEST(HttpWorldTest, EverythingArrivesWholeAndInOrder) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    World(seed).Run();
    if (testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace ballast::l7
