// A list of operations, doubly linked through them. An operation is in one list
// at most, and can be unlinked without knowing which. For io/ only.
#ifndef IO_OPERATION_LIST_H_
#define IO_OPERATION_LIST_H_

#include "io/reactor.h"

namespace ballast {

class OperationList {
 public:
  OperationList() { ends_.next = ends_.previous = &ends_; }
  OperationList(const OperationList&) = delete;
  OperationList& operator=(const OperationList&) = delete;

  bool empty() const { return ends_.next == &ends_; }

  void PushBack(Operation* op) {
    OperationLink* link = op;
    link->next = &ends_;
    link->previous = ends_.previous;
    ends_.previous->next = link;
    ends_.previous = link;
  }
  // nullptr when empty.
  Operation* PopFront() {
    if (empty()) return nullptr;
    Operation* op = static_cast<Operation*>(ends_.next);
    Unlink(op);
    return op;
  }
  // Appends everything to `to`.
  void MoveTo(OperationList* to) {
    if (empty()) return;
    ends_.next->previous = to->ends_.previous;
    to->ends_.previous->next = ends_.next;
    ends_.previous->next = &to->ends_;
    to->ends_.previous = ends_.previous;
    ends_.next = ends_.previous = &ends_;
  }
  // Nothing if it is in no list.
  static void Unlink(Operation* op) {
    OperationLink* link = op;
    if (link->next == nullptr) return;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->next = link->previous = nullptr;
  }

 private:
  OperationLink ends_;
};

}  // namespace ballast

#endif  // IO_OPERATION_LIST_H_
