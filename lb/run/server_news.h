// What proxy threads are told of servers: up or down, their weight, and that
// what is open to them is to be cut. Posted, never waited for, so that a thread
// which does not run holds nobody up.
//
// Bounds   one piece of news for each server and thread: the newest. What a
//          full mailbox refuses stays owed, and Send() tells it again.
// Threads  the control thread.
#ifndef LB_RUN_SERVER_NEWS_H_
#define LB_RUN_SERVER_NEWS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "io/base/address.h"
#include "lb/l7/service_chooser.h"
#include "lb/run/proxy_thread.h"

namespace ballast::run {

class ServerNews {
 public:
  struct Server {
    uint32_t id = 0;
    Endpoint endpoint;
    uint64_t service = 0;  // ProxyService::id.
    // By thread.
    std::span<const std::shared_ptr<l7::ServiceChooser>> choosers;
  };

  // `threads` outlive it.
  explicit ServerNews(const std::vector<std::unique_ptr<ProxyThread>>& threads)
      : threads_(threads), owed_(threads.size()) {}

  void Health(const Server& server, bool up);
  void Weight(const Server& server, uint32_t weight);
  void Cut(const Server& server);
  // Tells the threads what they are owed.
  void Send();
  // Orders that a thread's mailbox had no room for.
  uint64_t refused() const { return refused_; }

 private:
  struct News {
    std::shared_ptr<l7::ServiceChooser> chooser;
    Endpoint endpoint;
    uint64_t service = 0;
    std::optional<bool> up;
    std::optional<uint32_t> weight;
    bool cut = false;
  };
  using Owed = std::map<uint32_t, News>;  // By the server's id.

  News& Owe(size_t thread, const Server& server);

  const std::vector<std::unique_ptr<ProxyThread>>& threads_;
  std::vector<std::shared_ptr<Owed>> owed_;  // By thread; null: nothing.
  uint64_t refused_ = 0;
};

}  // namespace ballast::run

#endif  // LB_RUN_SERVER_NEWS_H_
